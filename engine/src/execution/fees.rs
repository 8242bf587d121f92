//! Fees of a transaction under EIP-1559: exact for the next block, bounded for the blocks after it.

use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::{BlockNumber, FeePerGas};

use crate::trade::Fees;

/// Gas of a plain transfer: what a cancellation takes (yellow paper, G_transaction).
pub const TRANSFER_GAS: u64 = 21_000;

/// Least rise of both fees for which nodes replace a pooled transaction, in percent (geth `--txpool.pricebump`).
const REPLACEMENT_BUMP_PERCENT: u128 = 10;

/// What a transaction offers and what it is expected to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeQuote {
    /// Fees to sign.
    pub fees: Fees,
    /// Wei per gas that the next block will charge: its base fee, known exactly, plus the priority fee.
    pub expected_gas_price: FeePerGas,
    /// Last block for which `fees.max` is certain to suffice.
    pub block_max: BlockNumber,
}

/// Fees that hold in each of the `blocks_valid` blocks after `head`, however full the blocks between are.
///
/// `max` is the highest base fee those blocks can have, plus the priority fee: no more, since a trade's worst case is
/// reserved at it. `None` when a figure leaves its width, or `blocks_valid` is 0.
#[must_use]
pub fn quote(head: &BlockContext, priority: FeePerGas, blocks_valid: u64) -> Option<FeeQuote> {
    let next = head.next_base_fee();
    let bound = base_fee_bound(head, blocks_valid)?;
    Some(FeeQuote {
        fees: Fees { max: bound.checked_add(priority)?, priority },
        expected_gas_price: next.checked_add(priority)?,
        block_max: BlockNumber(head.number.get().checked_add(blocks_valid)?),
    })
}

/// Highest base fee that the block `blocks` after `head` can have: the next one's is known, and every later one is
/// assumed to follow a full block.
fn base_fee_bound(head: &BlockContext, blocks: u64) -> Option<FeePerGas> {
    let later = blocks.checked_sub(1)?;
    let mut context = *head;
    let mut base_fee = head.next_base_fee();
    for _ in 0..later {
        context.base_fee.set(base_fee.0);
        context.gas_used = context.gas_limit;
        let next = context.next_base_fee();
        if next == base_fee {
            break;
        }
        base_fee = next;
    }
    Some(base_fee)
}

/// Fees that replace a pooled transaction with `previous`, and hold in each of the `blocks_valid` blocks after `head`, or
/// for as many of them as `cap` pays for. `None` when a figure leaves its width, `blocks_valid` is 0, or `cap` is too low
/// for nodes to take it as a replacement.
#[must_use]
pub fn replacement(previous: Fees, head: &BlockContext, blocks_valid: u64, cap: FeePerGas) -> Option<Fees> {
    let (least, priority) = (bump(previous.max)?, bump(previous.priority)?);
    let holding = base_fee_bound(head, blocks_valid)?.checked_add(priority)?;
    let max = least.max(holding).min(cap);
    (max >= least && max >= priority).then_some(Fees { max, priority })
}

/// A tenth more, rounded up, and more even for nothing.
fn bump(fee: FeePerGas) -> Option<FeePerGas> {
    let raised = fee.0.checked_mul(100 + REPLACEMENT_BUMP_PERCENT)?.div_ceil(100);
    Some(FeePerGas(raised.max(fee.0.checked_add(1)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(base_fee: u128, gas_used: u64, gas_limit: u64) -> BlockContext {
        BlockContext {
            number: 100.into(),
            hash: [1; 32],
            parent_hash: [0; 32],
            timestamp: 0.into(),
            base_fee: base_fee.into(),
            gas_used: gas_used.into(),
            gas_limit: gas_limit.into(),
        }
    }

    #[test]
    fn the_next_block_is_priced_exactly() {
        // A full block raises the base fee by an eighth, an empty one lowers it by an eighth (EIP-1559).
        for (gas_used, next) in [(30_000_000, 112_500), (15_000_000, 100_000), (0, 87_500)] {
            let quote = quote(&head(100_000, gas_used, 30_000_000), FeePerGas(7), 1).expect("within width");
            assert_eq!(quote.expected_gas_price, FeePerGas(next + 7));
            assert_eq!(quote.fees, Fees { max: FeePerGas(next + 7), priority: FeePerGas(7) });
            assert_eq!(quote.block_max, BlockNumber(101));
        }
    }

    #[test]
    fn the_highest_fee_holds_through_full_blocks_to_the_last_valid_one() {
        let mut block = head(1_000_000_007, 29_999_999, 30_000_001);
        let quote = quote(&block, FeePerGas(3), 5).expect("within width");
        for _ in 0..5 {
            let base_fee = block.next_base_fee();
            assert!(base_fee.checked_add(FeePerGas(3)).expect("small") <= quote.fees.max);
            block = head(base_fee.0, 30_000_001, 30_000_001);
        }
        assert!(block.next_base_fee().0 + 3 > quote.fees.max.0, "and not one block longer");
    }

    #[test]
    fn no_window_and_no_width_give_no_quote() {
        assert_eq!(quote(&head(1, 0, 2), FeePerGas(0), 0), None);
        assert_eq!(quote(&head(u128::MAX, 1, 2), FeePerGas(1), 1), None);
    }

    #[test]
    fn an_endless_window_ends_at_the_width() {
        let quote = quote(&head(7, 2, 2), FeePerGas(0), u64::MAX - 100).expect("saturates");
        assert_eq!(quote.fees.max, FeePerGas(u128::MAX));
    }

    #[test]
    fn a_replacement_raises_both_fees_by_a_tenth_or_more() {
        let block = head(1_000, 0, 30_000_000);
        for (max, priority) in [(0, 0), (1, 1), (999, 10), (1_000_000, 11)] {
            let previous = Fees { max: FeePerGas(max), priority: FeePerGas(priority) };
            let fees = replacement(previous, &block, 3, FeePerGas(u128::MAX)).expect("within width");
            assert!(fees.max.0 * 10 >= max * 11 && fees.priority.0 * 10 >= priority * 11);
            assert!(fees.max > previous.max && fees.priority > previous.priority && fees.priority <= fees.max);
        }
    }

    #[test]
    fn a_replacement_is_worth_having_below_what_would_hold_and_never_above_the_cap() {
        let block = head(1_000_000, 30_000_000, 30_000_000);
        let previous = Fees { max: FeePerGas(1_200_000), priority: FeePerGas(10) };
        let uncapped = replacement(previous, &block, 8, FeePerGas(u128::MAX)).expect("within width");
        let cap = FeePerGas(uncapped.max.0 - 1);
        assert_eq!(replacement(previous, &block, 8, cap), Some(Fees { max: cap, ..uncapped }));
        let least = FeePerGas(1_320_000);
        assert_eq!(replacement(previous, &block, 8, least).map(|fees| fees.max), Some(least));
        assert_eq!(replacement(previous, &block, 8, FeePerGas(least.0 - 1)), None, "nodes would refuse it");
    }
}
