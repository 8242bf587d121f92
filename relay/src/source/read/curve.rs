//! Curve's pools: StableSwap and CryptoSwap, and the functions that both have.

mod crypto;
mod stable;

pub(super) use self::crypto::gammaCall;

mod contract {
    alloy::sol! {
        function coins(uint256 index) external view returns (address);
        function balances(uint256 index) external view returns (uint256);
        function token() external view returns (address);
        function admin_fee() external view returns (uint256);
        function is_killed() external view returns (bool);
    }
}
