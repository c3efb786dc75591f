//! The figures of midair. See `benches/README.md` for what each row means.

use std::process::ExitCode;

mod args;
mod calls;
mod commit;
mod error;
mod fixture;
mod host;
#[cfg(feature = "peers")]
mod peers;
mod reload;
mod rounds;
mod scopes;
mod table;
mod tight;

fn main() -> ExitCode {
    let config = args::parse();
    match config.run().and_then(|table| table.print(config.form)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
