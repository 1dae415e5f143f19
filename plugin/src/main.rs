//! The program `kubectl-cmp`; the library contains its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_cmp::main()
}
