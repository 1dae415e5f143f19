//! Virtual machines on the real KubeVirt: its API and its controllers; virt-handler and the guests are simulated.

mod smoke;
mod support;
