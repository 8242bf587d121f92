//! The tokens of a pool, by value.

use core::fmt;
use core::ops::Deref;

use super::TOKENS_MAX;
use crate::id::TokenId;

/// Up to [`TOKENS_MAX`] tokens in the order of the pool's contract. Reads as a slice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenList {
    count: u8,
    /// Those past `count` are 0, so that equal lists are equal bytes.
    ids: [TokenId; TOKENS_MAX],
}

impl TokenList {
    /// No token.
    pub const EMPTY: Self = Self { count: 0, ids: [TokenId(0); TOKENS_MAX] };

    /// The tokens given, or `None` when they are more than [`TOKENS_MAX`].
    #[must_use]
    pub fn new(tokens: &[TokenId]) -> Option<Self> {
        let mut list = Self { count: u8::try_from(tokens.len()).ok()?, ..Self::EMPTY };
        list.ids.get_mut(..tokens.len())?.copy_from_slice(tokens);
        Some(list)
    }

    /// Both tokens of a pool of two, `None` of one with more.
    #[must_use]
    pub fn pair(&self) -> Option<[TokenId; 2]> {
        <[TokenId; 2]>::try_from(&**self).ok()
    }
}

impl Deref for TokenList {
    type Target = [TokenId];

    fn deref(&self) -> &[TokenId] {
        &self.ids[..usize::from(self.count)]
    }
}

impl<const COUNT: usize> From<[TokenId; COUNT]> for TokenList {
    fn from(tokens: [TokenId; COUNT]) -> Self {
        const { assert!(COUNT <= TOKENS_MAX) }
        Self::new(&tokens).unwrap_or(Self::EMPTY)
    }
}

impl<const COUNT: usize> PartialEq<[TokenId; COUNT]> for TokenList {
    fn eq(&self, other: &[TokenId; COUNT]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for TokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_up_to_eight_and_reads_as_what_it_was_made_of() {
        let nine: Vec<_> = (1..=9).map(TokenId).collect();
        for count in 0..=8 {
            let list = TokenList::new(&nine[..count]).expect("it fits");
            assert_eq!(*list, nine[..count]);
            assert_eq!(list.pair().is_some(), count == 2);
        }
        assert_eq!(TokenList::new(&nine), None);
        assert_eq!(TokenList::from([TokenId(3), TokenId(1)]).pair(), Some([TokenId(3), TokenId(1)]));
    }
}
