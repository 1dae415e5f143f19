//! The file of a mirror, and the process that writes it.

use std::path::Path;

use cmp_core::usage::Span;
use cmp_mirror::History;
use jiff::Timestamp;

use crate::binaries::built;
use crate::control_plane::ControlPlane;
use crate::process::Process;

/// Starts `kubectl cmp mirror --watch` as the administrator. Its output goes to `<name>.log`.
pub fn watch(plane: &ControlPlane, name: &str, path: &Path) -> Process {
    let arguments = ["mirror", "--watch", "--db", &path.display().to_string()].map(str::to_owned).to_vec();
    let environment = vec![("KUBECONFIG".to_owned(), plane.kubeconfig().display().to_string())];
    Process::start_with(name, &built().plugin, arguments, environment, plane.folder())
}

/// Returns all spans in a file.
#[track_caller]
pub fn spans(path: &Path) -> Vec<Span> {
    let history = History::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    history.spans(Timestamp::MIN, Timestamp::MAX).expect("a readable history")
}

/// Returns the spans that a test can predict. The length and number of pending phases depend on the control plane.
#[track_caller]
pub fn settled(path: &Path, is: impl Fn(&Span) -> bool) -> Vec<Span> {
    spans(path).into_iter().filter(|span| is(span) && span.state.as_str() != "pending").collect()
}
