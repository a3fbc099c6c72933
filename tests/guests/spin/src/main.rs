//! Computes without end and never calls its host again: a task that only interruption stops.

fn main() {
    println!("spins");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    loop {
        // A loop without an effect could be left out by the compiler.
        state = std::hint::black_box(state.rotate_left(7) ^ state.wrapping_mul(31));
    }
}
