//! The plugin of a newer version, for tests. The build adds one field to a want.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_cmp::main()
}
