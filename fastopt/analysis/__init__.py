"""From steps to a goal and seconds per step to the batch size that is there first. Pure functions of numbers.

hits        when a run met its goal, as far as its evaluations tell
steps       S(B): steps to the goal against batch size, fitted to censored hits
noise       the gradient noise scale, from the gradients of two batch sizes
step_time   t(B): seconds per step, and whether they are affine in the batch size
resample    what another draw of seeds and of tuning trials would have given
trials      what a search finds against the number of its trials
optimum     T(B) = S(B) t(B), the batch size at which it is least, and what a faster kernel would change
advice      which run would tell most
chain       all of them together, for one optimizer
"""
