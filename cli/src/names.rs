//! Names for services that were given none.

use std::hash::{BuildHasher, RandomState};

const FIRST: [&str; 24] = [
    "amber", "brisk", "calm", "clear", "dusky", "early", "fresh", "gentle", "golden", "humble",
    "keen", "lively", "lucky", "mellow", "nimble", "patient", "quiet", "rapid", "sunny", "swift",
    "tidy", "warm", "wild", "wise",
];
const SECOND: [&str; 24] = [
    "aster",
    "beebalm",
    "borage",
    "buckwheat",
    "clover",
    "cosmos",
    "daisy",
    "fennel",
    "gorse",
    "heather",
    "hyssop",
    "ivy",
    "lavender",
    "linden",
    "lupin",
    "mint",
    "oregano",
    "phacelia",
    "rosemary",
    "sage",
    "sedum",
    "thyme",
    "willow",
    "yarrow",
];

/// A random name, such as `calm_clover`; service names may hold an underscore, as in Swarm.
pub(crate) fn random() -> String {
    // Each RandomState is keyed from the system's random source; a name needs no more than that.
    let number = RandomState::new().hash_one(std::process::id()) as usize;
    let (first, second) = (FIRST[number % 24], SECOND[number / 24 % 24]);
    format!("{first}_{second}_{}", number / 576 % 1000)
}
