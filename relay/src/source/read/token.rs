//! Tokens.

use alloy::primitives::{Address, address};
use alloy::sol_types::SolCall;
use alphapulse_protocol::replica::TokenInfo;
use futures_util::future::try_join;

use super::calls::Calls;
use crate::error::SourceError;

mod contract {
    alloy::sol! {
        function decimals() external view returns (uint8);
        function symbol() external view returns (string);
        function totalSupply() external view returns (uint256);
    }
}
pub(super) use self::contract::{decimalsCall, totalSupplyCall};

/// What contracts of Curve call the chain's native coin by.
pub(super) const CURVE_NATIVE: Address = address!("EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE");
/// Decimals of the native coin of every EVM chain.
const NATIVE_DECIMALS: u8 = 18;

impl Calls {
    pub(in crate::source) async fn read_token(&self, token: Address, pool: Address) -> Result<TokenInfo, SourceError> {
        let decimals = self.call(pool, token, decimalsCall {});
        // A token need not have a symbol, and some burn all gas when asked. A node that is only busy is no reason for another name.
        let symbol = self.ask(token, contract::symbolCall {}.abi_encode().into());
        let (decimals, symbol) = try_join(decimals, symbol).await?;
        let symbol = symbol.map(|answer| read_symbol(&answer)).unwrap_or_default();
        Ok(TokenInfo { address: token.into_array(), symbol, decimals })
    }

    /// Whether what is at the address answers as a token does. Shares of some pools do as well.
    pub(super) async fn is_token(&self, address: Address) -> Result<bool, SourceError> {
        let asked = try_join(self.try_call(address, decimalsCall {}), self.try_call(address, totalSupplyCall {}));
        let (decimals, supply) = asked.await?;
        Ok(decimals.is_some() && supply.is_some())
    }

    /// As [`Self::read_token`], where the native coin may stand under an address without a contract.
    pub(super) async fn read_coin(&self, token: Address, pool: Address) -> Result<TokenInfo, SourceError> {
        if token.is_zero() || token == CURVE_NATIVE {
            let symbol = "ETH".to_owned();
            return Ok(TokenInfo { address: token.into_array(), symbol, decimals: NATIVE_DECIMALS });
        }
        self.read_token(token, pool).await
    }
}

/// A symbol as text: the standard's string, or the 32 bytes that early tokens return. Anything else is no symbol.
fn read_symbol(answer: &[u8]) -> String {
    if let Ok(symbol) = contract::symbolCall::abi_decode_returns(answer) {
        return symbol;
    }
    let Ok(word) = <[u8; 32]>::try_from(answer) else { return String::new() };
    let text = word.split(|byte| *byte == 0).next().unwrap_or_default();
    core::str::from_utf8(text).map(str::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloy::rpc::json_rpc::ErrorPayload;
    use alloy::transports::mock::Asserter;

    use super::*;
    use crate::source::node::CALL_TIMEOUT;
    use alloy::primitives::{Bytes, U256};
    use alloy::rpc::client::RpcClient;
    use alloy::sol_types::SolValue;
    use alphapulse_protocol::message::BlockContext;

    /// The token of a node that says how many decimals it has, and then this of its symbol.
    async fn token_where(symbol_fails: ErrorPayload) -> Result<TokenInfo, SourceError> {
        let node = Asserter::new();
        node.push_success(&Bytes::from(U256::from(18).abi_encode()));
        node.push_failure(symbol_fails);
        let client = RpcClient::mocked(node);
        let (number, base_fee, gas) = (1.into(), 7_u128.into(), 1.into());
        let (hash, parent_hash, timestamp) = ([1; 32], [0; 32], 1.into());
        let at = BlockContext { number, hash, parent_hash, timestamp, base_fee, gas_used: gas, gas_limit: gas };
        let calls = Calls::new(&client, &at, CALL_TIMEOUT);
        calls.read_token(Address::repeat_byte(1), Address::repeat_byte(2)).await
    }

    #[tokio::test]
    async fn a_token_has_no_symbol_when_its_contract_refuses_and_not_when_the_node_does() {
        let failure = |code, message| ErrorPayload { code, message, data: None };
        for message in ["execution reverted", "out of gas", "invalid opcode: INVALID"] {
            let token = token_where(failure(-32000, message.into())).await;
            assert!(token.as_ref().is_ok_and(|token| token.symbol.is_empty()), "{token:?}");
        }
        let token = token_where(failure(3, "VM error".into())).await;
        assert!(token.as_ref().is_ok_and(|token| token.symbol.is_empty()), "{token:?}");
        let busy = token_where(failure(-32005, "too many requests".into())).await;
        assert!(matches!(busy, Err(SourceError::Call { .. })), "{busy:?}");
    }

    #[test]
    fn symbols_are_read_from_strings_and_from_bytes32() {
        let mut word = [0_u8; 32];
        word[..3].copy_from_slice(b"MKR");
        assert_eq!(read_symbol(&word), "MKR");
        assert_eq!(read_symbol(&"WETH".abi_encode()), "WETH");
        assert_eq!(read_symbol(&[]), "");
        assert_eq!(read_symbol(&[0xff; 32]), "");
        assert_eq!(read_symbol(&[0xff; 31]), "");
    }
}
