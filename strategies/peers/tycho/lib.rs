//! Nothing of its own: the comparisons are in `tests/`.
