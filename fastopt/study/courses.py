"""Which course a study takes: towards a low loss at the end of equal runs, or towards a goal in the fewest steps."""

from __future__ import annotations

from fastopt.study.course import Course
from fastopt.study.goal_course import GoalCourse
from fastopt.study.loss_course import LossCourse
from fastopt.study.plan import Study


def course_of(study: Study) -> Course:
    """Return the course of a study."""
    return LossCourse(study) if study.config.goal is None else GoalCourse(study)
