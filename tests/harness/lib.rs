//! What the tests, the benchmarks and the demo stand on: a real control plane as local processes, an installation of
//! cmp in it, and users with their own kubeconfigs.
//!
//! Simulated is only what cannot run here: the kubelets, which kwok plays at the API's side; and with KubeVirt its
//! virt-handlers and the guests, which `virt-handler/main.rs` plays.

pub mod authority;
pub mod balancer;
pub mod binaries;
pub mod child;
pub mod control_plane;
pub mod etcd;
pub mod installation;
pub mod kubevirt;
pub mod process;
pub mod shell;
pub mod terminal;
pub mod transcript;

pub use binaries::Kubernetes;
pub use control_plane::ControlPlane;
pub use installation::{Installation, World, held, want};
pub use shell::{Output, SOON, eventually};
