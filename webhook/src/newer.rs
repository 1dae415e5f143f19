//! cmp-webhook of a newer version for the tests: it is built with one more field in a want.

use std::process::ExitCode;

fn main() -> ExitCode {
    cmp_webhook::main()
}
