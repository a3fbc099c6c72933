//! `cargo xtask`: the project's own tasks.
//!
//! Each prints what it installs before it installs it, writes below `target/` and the user's cache
//! folder alone (`fix` writes the sources), and ends with exit code 0 or says why not.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to its terminal")]

mod bench;
mod command;
mod demo;
mod guests;
mod install;
mod release;
mod soak;
mod test;
mod toolchain;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

  guests           build the components of samples/ and tests/guests/ into target/guests/
  test             everything: formatting, lints, guests, all tests with real processes
  demo             a node with the to-do sample on it, to look at and to play with
  demo --check     the same, talked to and taken down by itself
  bench [--quick]  memory, times and size of the release binary, beside the goals
  soak sim         many more seeds of the simulator than `test` runs, until one fails
  bench core       what decisions cost with 10,000 nodes and 1,000,000 tasks
  fix              format, take clippy's suggestions, renew the tests' expectations
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["guests"] => guests::build().map(|_| ()),
        ["test"] => test::run(),
        ["demo"] => demo::run(demo::Then::Stay),
        ["demo", "--check"] => demo::run(demo::Then::Check),
        ["bench"] => bench::run(bench::Idle::Minute),
        ["bench", "core"] => bench::core(),
        ["bench", "--quick"] => bench::run(bench::Idle::Moment),
        ["soak", "sim"] => soak::simulator(),
        ["fix"] => test::fix(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
