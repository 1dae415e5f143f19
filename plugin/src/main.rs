//! `kubectl-cmp`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_cmp::main()
}
