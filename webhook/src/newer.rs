//! cmp-webhook of a newer version, as the tests play it: it is built with one field more in a want.

use std::process::ExitCode;

fn main() -> ExitCode {
    cmp_webhook::main()
}
