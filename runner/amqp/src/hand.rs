//! What a session has in hand: which deliveries are not settled, and with how few frames they can be.

use std::collections::BTreeMap;

/// The deliveries of a channel that were handed out and not settled, by the broker's tags.
///
/// A channel counts its deliveries up, and one acknowledgement can cover all up to a tag: what is taken over together in the order in which it
/// came costs one frame.
#[derive(Debug, Default)]
pub(crate) struct Hand(BTreeMap<u64, Place>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Handed out, waiting for its verdict.
    InHand,
    /// Released: it goes back after a while, and must not be acknowledged with its neighbours until it has.
    Leaving,
}

/// A frame that acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) tag: u64,
    /// Everything up to the tag, not just the one.
    pub(crate) multiple: bool,
}

impl Hand {
    /// A delivery was handed out.
    pub(crate) fn insert(&mut self, tag: u64) {
        self.0.insert(tag, Place::InHand);
    }

    /// Whether a delivery waits for its verdict.
    pub(crate) fn holds(&self, tag: u64) -> bool {
        self.0.get(&tag) == Some(&Place::InHand)
    }

    /// A delivery was released and goes back later.
    pub(crate) fn leave(&mut self, tag: u64) {
        self.0.insert(tag, Place::Leaving);
    }

    /// The broker was told about a delivery.
    pub(crate) fn remove(&mut self, tag: u64) {
        self.0.remove(&tag);
    }

    /// How many deliveries are in hand.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The frames that acknowledge these and no others; all of them are in hand.
    pub(crate) fn acks(&self, mut tags: Vec<u64>) -> Vec<Ack> {
        tags.sort_unstable();
        let first = self.0.keys().zip(&tags).take_while(|(held, tag)| held == tag).count();
        let (together, single) = tags.split_at(first);
        let together = together.last().map(|tag| Ack { tag: *tag, multiple: first > 1 });
        together.into_iter().chain(single.iter().map(|tag| Ack { tag: *tag, multiple: false })).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn hand(tags: impl IntoIterator<Item = u64>) -> Hand {
        let mut hand = Hand::default();
        tags.into_iter().for_each(|tag| hand.insert(tag));
        hand
    }

    fn check(held: &[u64], taken: &[u64], expected: &[(u64, bool)]) {
        let acks = hand(held.iter().copied()).acks(taken.to_vec());
        let expected: Vec<_> =
            expected.iter().map(|(tag, multiple)| Ack { tag: *tag, multiple: *multiple }).collect();
        assert_eq!(acks, expected, "{taken:?} of {held:?}");
    }

    #[test]
    fn what_came_in_a_row_is_one_frame() {
        check(&[1, 2, 3, 4], &[1, 2, 3], &[(3, true)]);
        check(&[5, 6, 9], &[9, 5, 6], &[(9, true)]);
        check(&[1, 2], &[1], &[(1, false)]);
    }

    #[test]
    fn nothing_is_acknowledged_with_its_neighbours() {
        check(&[1, 2, 3], &[2, 3], &[(2, false), (3, false)]);
        check(&[1, 2, 3, 4], &[1, 2, 4], &[(2, true), (4, false)]);
        let mut hand = hand([1, 2, 3]);
        hand.leave(2);
        assert!(!hand.holds(2) && hand.holds(3));
        let single = |tag| Ack { tag, multiple: false };
        assert_eq!(hand.acks(vec![1, 3]), [single(1), single(3)]);
        hand.remove(2);
        assert_eq!(hand.acks(vec![1, 3]), [Ack { tag: 3, multiple: true }]);
    }

    proptest! {
        /// What a broker forgets by the frames is what was taken.
        #[test]
        fn a_broker_forgets_what_was_taken(held in prop::collection::btree_set(1_u64..60, 0..40), picks in any::<u64>()) {
            let taken: Vec<u64> = held.iter().copied().filter(|tag| picks >> tag & 1 == 1).collect();
            let mut broker: BTreeSet<u64> = held.clone();
            for ack in hand(held.iter().copied()).acks(taken.clone()) {
                broker.retain(|tag| if ack.multiple { *tag > ack.tag } else { *tag != ack.tag });
            }
            let kept: BTreeSet<u64> = held.into_iter().filter(|tag| !taken.contains(tag)).collect();
            prop_assert_eq!(broker, kept);
        }
    }
}
