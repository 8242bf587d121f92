//! A deployed chain to try things on, and the calls that tests make of it.

use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolCall;
use alphapulse_engine::execution::calldata::{ExecutorRevert, decode_revert};
use alphapulse_testnet::contracts::abi::ITestToken;
use alphapulse_testnet::{Deployment, DevNode, DevNodeConfig, Layout};

use crate::kit::kit;

const GAS_LIMIT: u64 = 5_000_000;

/// A dev node in manual mining with contracts on it.
pub(crate) struct Chain {
    pub(crate) node: DevNode,
    pub(crate) deployment: Deployment,
}

impl Chain {
    pub(crate) async fn start(layout: &Layout) -> Self {
        let kit = kit();
        let node = DevNode::start(&kit, DevNodeConfig::default()).await.expect("dev node starts");
        let deployment = Deployment::create(&kit, &node, layout).await.expect("contracts deploy");
        // The owner is no account of the node's own.
        node.impersonate_all().await.expect("the node obeys");
        Self { node, deployment }
    }

    /// Calls without a transaction, in the block that comes next.
    pub(crate) async fn try_call<C: SolCall>(
        &self,
        from: Address,
        to: Address,
        call: &C,
    ) -> Result<C::Return, ExecutorRevert> {
        let data = self.try_call_raw(from, to, call.abi_encode().into()).await?;
        Ok(C::abi_decode_returns(&data).expect("answer has the interface's type"))
    }

    pub(crate) async fn try_call_raw(&self, from: Address, to: Address, data: Bytes) -> Result<Bytes, ExecutorRevert> {
        self.simulate(TransactionRequest::default().with_from(from).with_to(to).with_input(data)).await
    }

    /// As [`Chain::try_call`], for calls that succeed.
    pub(crate) async fn view<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        self.try_call(Address::ZERO, to, call).await.expect("call succeeds")
    }

    pub(crate) async fn balance(&self, token: Address, account: Address) -> U256 {
        self.view(token, &ITestToken::balanceOfCall { account }).await
    }

    /// Sends and mines a transaction from an unlocked account.
    pub(crate) async fn send(&self, from: Address, to: Address, data: Bytes) -> TransactionReceipt {
        let request =
            TransactionRequest::default().with_from(from).with_to(to).with_input(data).with_gas_limit(GAS_LIMIT);
        self.mine_request(request).await
    }

    /// Sends and mines the creation of a contract.
    pub(crate) async fn create(&self, code: Bytes) -> Address {
        let from = self.deployment.deployer.address();
        let request = TransactionRequest::default().with_from(from).with_deploy_code(code).with_gas_limit(GAS_LIMIT);
        let receipt = self.mine_request(request).await;
        assert!(receipt.status(), "creation reverted");
        receipt.contract_address.expect("creation")
    }

    /// Wraps the actor's Ether and gives it away.
    pub(crate) async fn give_weth(&self, to: Address, wei: U256) {
        let (actor, weth) = (self.deployment.actor.address(), self.deployment.weth());
        let deposit = TransactionRequest::default().with_from(actor).with_to(weth).with_value(wei);
        let receipt = self.mine_request(deposit.with_gas_limit(GAS_LIMIT)).await;
        assert!(receipt.status(), "deposit reverted");
        self.act(weth, ITestToken::transferCall { to, value: wei }).await;
    }

    /// Simulates the creation of a contract.
    pub(crate) async fn try_create(&self, code: Bytes) -> Result<Bytes, ExecutorRevert> {
        self.simulate(TransactionRequest::default().with_deploy_code(code)).await
    }

    pub(crate) async fn code(&self, account: Address) -> Bytes {
        self.node.provider().get_code_at(account).await.expect("answers")
    }

    async fn simulate(&self, request: TransactionRequest) -> Result<Bytes, ExecutorRevert> {
        let answer = self.node.provider().call(request).block(BlockId::pending()).await;
        answer.map_err(|error| {
            let payload = error.as_error_resp().expect("the node answers");
            decode_revert(&payload.as_revert_data().unwrap_or_default())
        })
    }

    async fn mine_request(&self, request: TransactionRequest) -> TransactionReceipt {
        let hash: B256 = self.node.call("eth_sendTransaction", (request,)).await.expect("accepted");
        self.node.mine().await.expect("mines");
        self.node.provider().get_transaction_receipt(hash).await.expect("answers").expect("included")
    }

    /// The reason for which a call reverts; sends it too, to see that the block has it as failed.
    pub(crate) async fn refusal(&self, from: Address, to: Address, data: Bytes) -> ExecutorRevert {
        let reason = self.try_call_raw(from, to, data.clone()).await.expect_err("call is refused");
        assert!(!self.send(from, to, data).await.status(), "simulated as refused, yet included as done");
        reason
    }

    /// As [`Chain::send`], for transactions that succeed.
    pub(crate) async fn act(&self, to: Address, call: impl SolCall) {
        let receipt = self.send(self.deployment.actor.address(), to, call.abi_encode().into()).await;
        assert!(receipt.status(), "transaction reverted");
    }
}
