//! Imports an interface that no host offers: it is refused before it could run.

wit_bindgen::generate!({
    inline: "
        package acme:office@1.2.0;

        interface printer {
            print: func(text: string);
        }

        world wants-printer {
            import printer;
        }
    ",
});

fn main() {
    acme::office::printer::print("hello");
}
