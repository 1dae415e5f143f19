//! Common base of the tests, the benchmarks and the demo. It provides a real control plane as local processes, an
//! installation of cmp in it, and users with their own kubeconfigs.
//!
//! Only the parts that cannot run here are simulated. kwok simulates the kubelets, as far as the API server sees them.
//! With KubeVirt, `virt-handler/main.rs` simulates the virt-handlers and the guests. [`metrics`] simulates metrics-server. [`browser`] drives a
//! real Chromium.

pub mod authority;
pub mod balancer;
pub mod binaries;
pub mod browser;
pub mod cdi;
pub mod control_plane;
pub mod etcd;
pub mod history;
pub mod installation;
pub mod kubevirt;
pub mod metrics;
pub mod process;
pub mod shell;
pub mod terminal;
pub mod transcript;

pub use binaries::Kubernetes;
pub use cmp_launcher::child;
pub use control_plane::ControlPlane;
pub use installation::{Installation, World, held, want};
pub use shell::{Output, SOON, eventually};
