//! `kubectl cmp` on a real control plane, as its users use it.

mod attacks;
mod check;
mod cli;
mod completion;
mod create;
mod demo;
mod emergency;
mod install;
mod instances;
mod krew;
mod lifecycle;
mod outage;
mod pods;
mod policies;
mod progress;
mod quota;
mod refusals;
mod released;
mod resize;
mod shrink;
mod smoke;
mod story;
mod support;
mod templates;
mod users;
