//! What bounds the routes of a scan: prices that nearly all pools agree with, and the pools that do not.

use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::Market;
use alphapulse_strategies::search::{Certificate, Prices, Worth};

use super::pool_name;
use crate::output::say;
use crate::screen::{plain, units};

/// Pools that are named one by one.
const NAMED: usize = 10;

/// Tells the person who asked, not whoever reads the routes.
pub(super) fn explain(market: &Market, tokens: &[TokenId], max_hops: u8) {
    let certificate = Certificate::new(market, Prices::fit(market, tokens));
    let pools = market.replica().pools().len();
    let traded = (0..).take(pools).filter(|id| market.is_admitted(PoolId(*id))).count();
    let (found, all) = (certificate.out_of_band(), market.replica().tokens().len());
    let beyond_fee = found.iter().filter(|worth| is_beyond_fee(market, certificate.prices(), worth.pool)).count();
    say(&format!(
        "prices for {} of {all} tokens; {} of {traded} traded pools are out of band, beyond their fee from these prices",
        certificate.prices().count(),
        beyond_fee
    ));
    for token in tokens {
        let amount = |raw: f64| amount(market, *token, raw);
        let is_held = !market.graph().edges(*token).is_empty();
        let prices = certificate.prices();
        let (Some(bound), Some(all), Some(price), Some(unit), true) = (
            certificate.bound(*token, usize::from(max_hops)),
            certificate.bound_of_all(*token),
            prices.of(*token),
            prices.unit_of(*token),
            is_held,
        ) else {
            say(&format!("no traded pool holds {}", symbol(market, *token)));
            continue;
        };
        say(&format!(
            "no route of at most {max_hops} hops earns more than {}; all trades together not more than {}",
            amount(bound),
            amount(all)
        ));
        let of_it: Vec<&Worth> = found.iter().filter(|worth| worth.unit == unit).collect();
        for Worth { pool, gain, .. } in of_it.iter().take(NAMED) {
            let info = &market.replica().pools()[pool.index()];
            say(&format!("  {} ({}): at most {}", pool_name(market, *pool), info.kind.name(), amount(gain / price)));
        }
        if let Some(more) = of_it.len().checked_sub(NAMED).filter(|more| *more > 0) {
            say(&format!("  and {more} more"));
        }
    }
}

/// Not only by what the contract's rounding may give.
fn is_beyond_fee(market: &Market, prices: &Prices, pool: PoolId) -> bool {
    market.lines(pool).iter().any(|line| {
        let [price_in, price_out] = [line.token_in, line.token_out].map(|token| prices.of(token).unwrap_or(0.0));
        price_in > 0.0 && line.bound().g * price_out > price_in
    })
}

fn symbol(market: &Market, token: TokenId) -> String {
    plain(&market.replica().tokens()[token.index()].symbol)
}

/// An amount rounded up: it bounds.
fn amount(market: &Market, token: TokenId, raw: f64) -> String {
    match U256::try_from(raw.ceil()) {
        Ok(whole) => {
            format!("{} {}", units(whole, market.replica().tokens()[token.index()].decimals), symbol(market, token))
        }
        Err(_) => "an amount that cannot be told".to_owned(),
    }
}
