//! Everything end to end, on a real control plane: one binary, so that it is linked once.

mod smoke;
