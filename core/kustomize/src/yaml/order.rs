//! The order of keys in the output: go-yaml's natural order.

use std::cmp::Ordering;

/// Compares two keys: signs before digits by value before letters, capitals before small letters.
///
/// At the first difference, letters compare by code point and come after everything else; runs of digits
/// compare by value, then by length (`a1b` before `a01`).
pub(crate) fn natural_order(left: &str, right: &str) -> Ordering {
    let common = left.bytes().zip(right.bytes()).take_while(|(a, b)| a == b).count();
    if common == left.len() || common == right.len() {
        return left.len().cmp(&right.len());
    }
    let at =
        (0..=common).rev().find(|&at| left.is_char_boundary(at) && right.is_char_boundary(at)).unwrap_or(0);
    let (a, b) = (first_char(&left[at..]), first_char(&right[at..]));
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a.cmp(&b),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero after a digit that is not zero counts: 10 against 1a.
    let seed = i64::from((a == '0' || b == '0') && follows_significant_digit(&left[..at]));
    let (a_value, a_length) = digits(&left[at..], seed);
    let (b_value, b_length) = digits(&right[at..], seed);
    a_value.cmp(&b_value).then(a_length.cmp(&b_length)).then(a.cmp(&b))
}

fn first_char(text: &str) -> char {
    text.chars().next().expect("the texts differ here, so both go on")
}

fn follows_significant_digit(before: &str) -> bool {
    before.bytes().rev().take_while(u8::is_ascii_digit).any(|digit| digit != b'0')
}

/// Sorts by keys in natural order.
///
/// That order has cycles (`a1b` < `a9` < `a10` < `a1b`), which the sorting of the standard library answers with a
/// panic; a plain merge sort leaves such keys in some order, as Go does.
pub(crate) fn sort_naturally<T>(items: Vec<T>, key: fn(&T) -> &str) -> Vec<T> {
    if items.windows(2).all(|pair| natural_order(key(&pair[0]), key(&pair[1])) != Ordering::Greater) {
        return items;
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let mut sorted = Vec::with_capacity(left.len() + right.len());
    let mut left = sort_naturally(left, key).into_iter().peekable();
    let mut right = sort_naturally(right, key).into_iter().peekable();
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let next =
            if natural_order(key(second), key(first)) == Ordering::Less { right.next() } else { left.next() };
        sorted.extend(next);
    }
    sorted.extend(left);
    sorted.extend(right);
    sorted
}

/// Value (wrapping, as Go's does) and length of the run of digits at the start.
fn digits(text: &str, seed: i64) -> (i64, usize) {
    let run = text.bytes().take_while(u8::is_ascii_digit);
    run.fold((seed, 0), |(value, length), digit| {
        (value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')), length + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_in_the_order_do_no_harm() {
        let cycle = ["a1b", "a9", "a10"];
        let keys: Vec<&str> = cycle.iter().copied().cycle().take(100).collect();
        assert_eq!(sort_naturally(keys, |key| key).len(), 100);
    }

    fn check(sorted: &[&str]) {
        for pair in sorted.windows(2) {
            assert_eq!(natural_order(pair[0], pair[1]), Ordering::Less, "{} before {}", pair[0], pair[1]);
            assert_eq!(natural_order(pair[1], pair[0]), Ordering::Greater, "{} after {}", pair[1], pair[0]);
        }
    }

    #[test]
    fn keys_sort_naturally() {
        check(&["_", "2", "9", "10", "A", "B", "a", "b"]);
        check(&["key-1", "key.1", "key_1", "key9", "key10"]);
        check(&["a1b", "a01", "a2"]);
        check(&["a", "ab", "b"]);
        check(&["äa", "äb"]);
        assert_eq!(natural_order("same", "same"), Ordering::Equal);
    }
}
