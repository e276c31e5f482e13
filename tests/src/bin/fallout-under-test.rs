//! The program as the suite starts it in processes of its own, to be stopped and killed.

fn main() -> std::process::ExitCode {
    fallout::cli::main()
}
