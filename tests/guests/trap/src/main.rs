//! Traps: at once, or with `trap after MS` so many milliseconds after its start.

use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, word, ms] = args.as_slice() {
        assert_eq!(word, "after", "usage: trap [after MS]");
        println!("traps in {ms} ms");
        std::thread::sleep(Duration::from_millis(ms.parse().expect("a number of milliseconds")));
    }
    panic!("trapped on purpose");
}
