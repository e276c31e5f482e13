//! One trouble, one case, against a real Postgres: whoever sees it, in any order and at once; what comes after a resolution;
//! what is refused and how.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod causes;
mod house;
mod keys;
mod many;
mod problems;
mod refusals;
#[path = "../taxonomy/rig.rs"]
#[expect(dead_code, reason = "the rig of the taxonomy's tests, of which these need a part")]
mod rig;
