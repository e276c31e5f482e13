//! Which orders a fault applies to when it names a `share`: a stable hash, so that the same order file is served the
//! same way each time, on any machine and by any later version.

/// A part of all (order, step) pairs: those whose hash modulo `of` is at least `from` and below `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub from: u64,
    pub to: u64,
    pub of: u64,
}

impl Share {
    #[must_use]
    pub fn contains(&self, order: &str, step: &str) -> bool {
        (self.from..self.to).contains(&(stable_hash(order, step) % self.of))
    }
}

/// FNV-1a, 64 bits, over the bytes of the order id, one byte 0x1F (ASCII unit separator, so that "a"+"bc" differs from
/// "ab"+"c") and the bytes of the step id. Never change it: scripts choose their slices by its values.
#[must_use]
pub fn stable_hash(order: &str, step: &str) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    order
        .bytes()
        .chain([0x1f])
        .chain(step.bytes())
        .fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(stable_hash("", ""), 0xaf63_d24c_8601_db8e);
        assert_eq!(stable_hash("ord-88210", "capture"), 0x34e4_8c9d_e8f6_6983);
        assert_eq!(stable_hash("заказ-17", "reserve"), 0x67dd_c4ac_c6e8_783d);
    }

    #[test]
    fn a_share_takes_its_slice_of_the_hash_and_nothing_else() {
        let at = stable_hash("ord-88210", "capture") % 1000;
        let share = |from, to| Share { from, to, of: 1000 };
        assert!(share(at, at + 1).contains("ord-88210", "capture"));
        assert!(!share(0, at).contains("ord-88210", "capture"));
        assert!(!share(at + 1, 1000).contains("ord-88210", "capture"));
    }

    #[test]
    fn the_border_between_order_and_step_counts() {
        assert_ne!(stable_hash("ab", "c"), stable_hash("a", "bc"));
    }
}
