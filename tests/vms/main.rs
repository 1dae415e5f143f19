//! Virtual machines on the real KubeVirt: its API and its controllers are real; virt-handler and the guests are
//! simulated.

mod agent;
mod attacks;
mod clusters;
mod complaints;
mod devices;
mod disk;
mod examples;
mod first_boot;
mod granted;
mod guests;
mod guide;
mod into;
mod mirror;
mod moves;
mod networks;
mod nodes;
mod resize;
mod rights;
mod root_disk;
mod schedules;
mod smoke;
mod support;
mod templates;
mod top;
mod watch;
