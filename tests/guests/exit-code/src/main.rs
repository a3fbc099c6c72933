//! Ends with the code it is told: `exit-code CODE`, or the variable `EXIT_CODE`; 0 without either.
//!
//! `std::process::exit` knows success and failure alone in WASI 0.2: other codes need
//! `wasi:cli/exit`'s `exit-with-code`.

wit_bindgen::generate!({
    inline: "
        package wasi:cli@0.2.12;

        interface exit {
            exit: func(status: result);
            @since(version = 0.2.12)
            exit-with-code: func(status-code: u8);
        }

        world exit-code {
            import exit;
        }
    ",
});

fn main() {
    let told = std::env::args().nth(1).or_else(|| std::env::var("EXIT_CODE").ok());
    let code: u8 = told.map_or(0, |text| text.parse().expect("the code is a number up to 255"));
    println!("standard output before the end");
    eprintln!("ends with {code}");
    wasi::cli::exit::exit_with_code(code);
}
