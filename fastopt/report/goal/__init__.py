"""The page of a study towards a goal: from steps and seconds per step to the batch size that is there first."""
