//! Balancer's vault, factories and queries on a chain of their own.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use alphapulse_strategies::pool::{QuoteError, Way};

use crate::chain::{Chain, OWNER, Reverted};
use crate::contracts::{Erc20, creation_code};

sol! {
    interface Vault {
        struct Single { bytes32 poolId; uint8 kind; address assetIn; address assetOut; uint256 amount; bytes userData; }
        struct Funds { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }
        struct Join { address[] assets; uint256[] maxAmountsIn; bytes userData; bool fromInternalBalance; }
        function swap(Single singleSwap, Funds funds, uint256 limit, uint256 deadline)
            external payable returns (uint256 amountCalculated);
        function joinPool(bytes32 poolId, address sender, address recipient, Join request) external payable;
        function getPoolTokens(bytes32 poolId)
            external view returns (address[] tokens, uint256[] balances, uint256 lastChangeBlock);
    }

    interface Queries {
        struct Single { bytes32 poolId; uint8 kind; address assetIn; address assetOut; uint256 amount; bytes userData; }
        struct Funds { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }
        function querySwap(Single singleSwap, Funds funds) external returns (uint256);
    }

    interface Authorizer {
        function grantRole(bytes32 role, address account) external;
    }

    interface WeightedFactory {
        function create(string name, string symbol, address[] tokens, uint256[] normalizedWeights,
            address[] rateProviders, uint256 swapFeePercentage, address owner) external returns (address);
    }

    interface FirstWeightedFactory {
        function create(string name, string symbol, address[] tokens, uint256[] weights,
            uint256 swapFeePercentage, address owner) external returns (address);
    }

    interface FirstStableFactory {
        function create(string name, string symbol, address[] tokens, uint256 amplificationParameter,
            uint256 swapFeePercentage, address owner) external returns (address);
    }

    interface StableFactory {
        function create(string name, string symbol, address[] tokens, uint256 amplificationParameter,
            address[] rateProviders, uint256[] tokenRateCacheDurations, bool[] exemptFromYieldProtocolFeeFlags,
            uint256 swapFeePercentage, address owner) external returns (address);
    }

    interface Pool {
        function getPoolId() external view returns (bytes32);
        function getScalingFactors() external view returns (uint256[]);
        function getBptIndex() external view returns (uint256);
        function getActionId(bytes4 selector) external view returns (bytes32);
        function pause() external;
        function startAmplificationParameterUpdate(uint256 rawEndValue, uint256 endTime) external;
        function updateTokenRateCache(address token) external;
        function getAmplificationParameter() external view returns (uint256 value, bool isUpdating, uint256 precision);
    }
}

/// Time of the chain's blocks unless it is set otherwise.
pub(crate) const TIME: u64 = 1_700_000_000;

/// Decimals of the tokens there are, some twice.
const DECIMALS: [u8; 8] = [18, 6, 18, 8, 0, 18, 6, 12];

/// Code that answers every call with what its first slot holds.
const RATE_PROVIDER: [u8; 20] = [
    0x6a, 0x60, 0x00, 0x54, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3, 0x60, 0x00, 0x52, 0x60, 0x0b, 0x60, 0x15,
    0xf3,
];

/// Which side of a swap the caller fixes; the vault's `SwapKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    In,
    Out,
}

/// Vault and factories, and eight tokens in the order of their addresses.
#[derive(Clone)]
pub(crate) struct Deployment {
    authorizer: Address,
    pub(crate) vault: Address,
    pub(crate) queries: Address,
    pub(crate) factory: Address,
    pub(crate) tokens: Vec<(Address, u8)>,
}

impl Deployment {
    /// `None`, with a loud line, when a contract's bytecode is absent.
    pub(crate) fn new(factory: &str) -> Option<(Chain, Self)> {
        let names = [
            "BalancerAuthorizer",
            "BalancerVault",
            "BalancerProtocolFeePercentagesProvider",
            factory,
            "BalancerQueries",
            "ERC20",
        ];
        let [Some(authorizer), Some(vault), Some(fees), Some(factory), Some(queries), Some(token)] =
            names.map(creation_code)
        else {
            return None;
        };
        let mut chain = Chain::new();
        let authorizer = chain.deploy(&authorizer, &OWNER.abi_encode());
        let (window, buffer) = (U256::from(7_776_000), U256::from(2_592_000));
        let weth = Address::repeat_byte(0xEE);
        let vault = chain.deploy(&vault, &(authorizer, weth, window, buffer).abi_encode_params());
        let half = U256::from(500_000_000_000_000_000_u64);
        let fees = chain.deploy(&fees, &(vault, half, half).abi_encode_params());
        // The first factories take the vault alone and do not look further.
        let factory = chain.deploy(&factory, &(vault, fees, "factory", "pool").abi_encode_params());
        let queries = chain.deploy(&queries, &vault.abi_encode());
        let mut tokens: Vec<(Address, u8)> =
            DECIMALS.iter().map(|decimals| (deploy_token(&mut chain, &token, *decimals, vault), *decimals)).collect();
        tokens.sort_unstable();
        Some((chain, Self { authorizer, vault, queries, factory, tokens }))
    }

    /// Of one of the tokens, or of a pool's share.
    pub(crate) fn decimals(&self, asset: Address) -> u8 {
        self.tokens.iter().find(|(token, _)| *token == asset).map_or(18, |(_, decimals)| *decimals)
    }

    /// First deposit into a new pool, of these amounts.
    pub(crate) fn initialise(
        &self,
        chain: &mut Chain,
        pool: B256,
        assets: &[Address],
        amounts: &[u128],
    ) -> Result<(), Reverted> {
        let amounts: Vec<U256> = amounts.iter().copied().map(U256::from).collect();
        let request = Vault::Join {
            assets: assets.to_vec(),
            maxAmountsIn: vec![U256::MAX; assets.len()],
            // 0 is the kind of join that initialises.
            userData: (U256::ZERO, amounts).abi_encode_params().into(),
            fromInternalBalance: false,
        };
        let call = Vault::joinPoolCall { poolId: pool, sender: OWNER, recipient: OWNER, request };
        chain.send(self.vault, &call).map(drop)
    }

    /// Balances in the vault, by token.
    pub(crate) fn balances(&self, chain: &mut Chain, pool: B256) -> Vec<u128> {
        let found = chain.call(self.vault, &Vault::getPoolTokensCall { poolId: pool }).expect("the vault answers");
        found.balances.iter().map(|balance| u128::try_from(*balance).expect("112 bits")).collect()
    }

    /// Tokens in the pool's order.
    pub(crate) fn assets(&self, chain: &mut Chain, pool: B256) -> Vec<Address> {
        chain.call(self.vault, &Vault::getPoolTokensCall { poolId: pool }).expect("the vault answers").tokens
    }

    /// What the contract's view answers.
    pub(crate) fn query(
        &self,
        chain: &mut Chain,
        (pool, assets): (B256, &[Address]),
        way: Way,
        given: Given,
        amount: U256,
    ) -> Result<U256, Reverted> {
        let single = Queries::Single {
            poolId: pool,
            kind: given as u8,
            assetIn: assets[usize::from(way.token_in)],
            assetOut: assets[usize::from(way.token_out)],
            amount,
            userData: Bytes::new(),
        };
        let funds =
            Queries::Funds { sender: OWNER, fromInternalBalance: false, recipient: OWNER, toInternalBalance: false };
        chain.call(self.queries, &Queries::querySwapCall { singleSwap: single, funds })
    }

    /// Swaps, and keeps what changed.
    pub(crate) fn swap(
        &self,
        chain: &mut Chain,
        (pool, assets): (B256, &[Address]),
        way: Way,
        given: Given,
        amount: U256,
    ) -> Result<U256, Reverted> {
        let single = Vault::Single {
            poolId: pool,
            kind: given as u8,
            assetIn: assets[usize::from(way.token_in)],
            assetOut: assets[usize::from(way.token_out)],
            amount,
            userData: Bytes::new(),
        };
        let funds =
            Vault::Funds { sender: OWNER, fromInternalBalance: false, recipient: OWNER, toInternalBalance: false };
        let limit = if given == Given::In { U256::ZERO } else { U256::MAX };
        let call = Vault::swapCall { singleSwap: single, funds, limit, deadline: U256::MAX };
        chain.send(self.vault, &call).map(|sent| sent.value)
    }

    /// Pauses the pool, for which its owner first needs leave.
    pub(crate) fn pause(&self, chain: &mut Chain, pool: Address) {
        let selector = Pool::pauseCall::SELECTOR.into();
        let role = chain.call(pool, &Pool::getActionIdCall { selector }).expect("an action");
        chain.send(self.authorizer, &Authorizer::grantRoleCall { role, account: OWNER }).expect("the owner decides");
        chain.send(pool, &Pool::pauseCall {}).expect("the pool pauses");
    }
}

/// The test token, its decimals replaced in the code, rich and open to the vault.
fn deploy_token(chain: &mut Chain, creation: &[u8], decimals: u8, vault: Address) -> Address {
    // `PUSH1 18 DUP2 JUMP`: the getter of a constant.
    let getter = [0x60, 0x12, 0x81, 0x56];
    let places: Vec<usize> = (0..creation.len()).filter(|place| creation[*place..].starts_with(&getter)).collect();
    let [place] = places[..] else { panic!("one getter answers 18") };
    let mut code = creation.to_vec();
    code[place + 1] = decimals;
    let token = chain.deploy(&code, &(U256::ONE << 255_usize).abi_encode());
    chain.send(token, &Erc20::approveCall { spender: vault, amount: U256::MAX }).expect("a token of ours");
    token
}

/// A contract that names a rate.
pub(crate) fn deploy_rate(chain: &mut Chain, rate: U256) -> Address {
    let provider = chain.deploy(&RATE_PROVIDER, &[]);
    chain.set_storage(provider, U256::ZERO, rate);
    provider
}

/// Holds our answer against the contract's: the same amount, or a refusal for the same reason.
pub(crate) fn assert_same(ours: Result<U256, QuoteError>, theirs: &Result<U256, Reverted>, case: &str) {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, *theirs, "{case}"),
        (Err(refusal), Err(reverted)) => {
            let reverted = format!("{reverted:?}");
            let is_named = codes(refusal).iter().any(|code| reverted.contains(code));
            assert!(is_named, "{case}: {refusal} against {reverted}");
        }
        _ => panic!("{case}: {ours:?} against {theirs:?}"),
    }
}

/// The contracts' numbers for the reason.
fn codes(refusal: QuoteError) -> &'static [&'static str] {
    match refusal {
        QuoteError::InputRatioExceeded => &["BAL#304"],
        QuoteError::OutputRatioExceeded => &["BAL#305"],
        QuoteError::InsufficientInputAmount | QuoteError::InsufficientOutputAmount => &["BAL#510"],
        QuoteError::ReserveOverflow => &["BAL#526"],
        QuoteError::Paused => &["BAL#402"],
        QuoteError::NotConverged => &["BAL#321", "BAL#322"],
        QuoteError::InsufficientLiquidity => &["BAL#001"],
        QuoteError::InvalidPoolState => &["BAL#001", "BAL#004"],
        QuoteError::AmountOverflow => &["BAL#000", "BAL#001", "BAL#003"],
        QuoteError::UnsafeValue => &["BAL#006", "BAL#007", "BAL#008", "BAL#009"],
        _ => &[],
    }
}
