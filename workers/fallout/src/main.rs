//! The `fallout` program; everything it does is in the library.

fn main() -> std::process::ExitCode {
    fallout::cli::main()
}
