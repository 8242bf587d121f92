//! An in-process EVM with no fees and no nonces: contracts in, results and logs out.

use core::cell::Cell;

use alloy::primitives::{Address, Bytes, Log, TxKind, U256};
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use revm::context::result::{ExecutionResult, HaltReason};
use revm::context::{Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::handler::{MainnetContext, MainnetEvm};
use revm::state::{AccountInfo, Bytecode};
use revm::{DatabaseRef, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

/// Sender of every transaction, and owner of everything deployed.
pub(crate) const OWNER: Address = Address::repeat_byte(0xA1);

/// A quote over thousands of bitmap words needs more gas than a block has.
const GAS_LIMIT: u64 = 1 << 40;

type Store = CacheDB<EmptyDB>;

pub(crate) struct Chain {
    evm: MainnetEvm<MainnetContext<Store>>,
}

/// A call that the contract refused, with what it said.
#[derive(Debug)]
#[expect(dead_code, reason = "read by a failing test's message only")]
pub(crate) struct Reverted(String);

/// A committed call.
pub(crate) struct Sent<T> {
    pub(crate) value: T,
    logs: Vec<Log>,
}

impl<T> Sent<T> {
    /// The only event of this kind that `emitter` logged.
    pub(crate) fn event<E: SolEvent>(&self, emitter: Address) -> E {
        let mut found =
            self.logs.iter().filter(|log| log.address == emitter).filter_map(|log| E::decode_log_data(&log.data).ok());
        let event = found.next().expect("the event was logged");
        assert!(found.next().is_none(), "the event was logged once");
        event
    }
}

thread_local! {
    static FIRST_NONCE: Cell<u64> = const { Cell::new(0) };
}

/// Has chains that this thread makes from here on deploy at other addresses, so that their states can be put together.
#[allow(dead_code, reason = "tests of the command put several into one node")]
pub(crate) fn deploy_from(nonce: u64) {
    FIRST_NONCE.set(nonce);
}

impl Chain {
    pub(crate) fn new() -> Self {
        let mut store = Store::default();
        let nonce = FIRST_NONCE.get();
        if nonce > 0 {
            store.insert_account_info(OWNER, AccountInfo { nonce, ..AccountInfo::default() });
        }
        Self::with_store(store)
    }

    fn with_store(store: Store) -> Self {
        let evm = Context::mainnet()
            .with_db(store)
            .modify_cfg_chained(|cfg| {
                cfg.disable_nonce_check = true;
                cfg.tx_gas_limit_cap = Some(u64::MAX);
            })
            .modify_block_chained(|block| {
                block.gas_limit = u64::MAX;
                block.timestamp = U256::from(1_700_000_000);
            })
            .build_mainnet();
        Self { evm }
    }

    /// A chain that starts from this one's state and goes its own way.
    pub(crate) fn fork(&self) -> Self {
        Self::with_store(self.evm.ctx.journaled_state.database.clone())
    }

    /// Deploys creation bytecode with ABI-encoded constructor arguments.
    pub(crate) fn deploy(&mut self, creation: &[u8], arguments: &[u8]) -> Address {
        let data = [creation, arguments].concat();
        let result =
            self.evm.transact_commit(transaction(TxKind::Create, data)).expect("the in-memory chain does not fail");
        result.created_address().unwrap_or_else(|| panic!("the contract deploys: {result}"))
    }

    /// Puts deployed code at an address, with as much ether as it may want to spend.
    pub(crate) fn install(&mut self, address: Address, code: Vec<u8>) {
        let code = Bytecode::new_raw(Bytes::from(code));
        let account = AccountInfo { balance: U256::ONE << 192, ..AccountInfo::from_bytecode(code) };
        self.evm.ctx.journaled_state.database.insert_account_info(address, account);
    }

    /// Calls without keeping what changed.
    pub(crate) fn call<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, Reverted> {
        let request = transaction(TxKind::Call(to), call.abi_encode());
        let result = self.evm.transact(request).expect("the in-memory chain does not fail").result;
        Ok(decode::<C>(result)?.value)
    }

    /// Calls and keeps what changed.
    pub(crate) fn send<C: SolCall>(&mut self, to: Address, call: &C) -> Result<Sent<C::Return>, Reverted> {
        let request = transaction(TxKind::Call(to), call.abi_encode());
        decode::<C>(self.evm.transact_commit(request).expect("the in-memory chain does not fail"))
    }

    /// Calls through a contract that takes an address, and passes the rest of its data on to it.
    pub(crate) fn send_through<C: SolCall>(
        &mut self,
        forwarder: Address,
        to: Address,
        call: &C,
    ) -> Result<Sent<C::Return>, Reverted> {
        let data = [to.abi_encode(), call.abi_encode()].concat();
        let request = transaction(TxKind::Call(forwarder), data);
        decode::<C>(self.evm.transact_commit(request).expect("the in-memory chain does not fail"))
    }

    /// Creates through a contract that takes creation bytecode as its data, and answers the address.
    pub(crate) fn create_through(&mut self, deployer: Address, creation: Vec<u8>) -> Address {
        let request = transaction(TxKind::Call(deployer), creation);
        let result = self.evm.transact_commit(request).expect("the in-memory chain does not fail");
        let output = result.output().expect("the deployer answers");
        let created = Address::abi_decode(output).expect("an address");
        assert_ne!(created, Address::ZERO, "the contract deploys");
        created
    }

    pub(crate) fn storage(&self, address: Address, slot: U256) -> U256 {
        let store = &self.evm.ctx.journaled_state.database;
        store.storage_ref(address, slot).expect("the in-memory chain does not fail")
    }

    /// All accounts, as a genesis file has them.
    #[allow(dead_code, reason = "tests of the command begin a node with them")]
    pub(crate) fn accounts(&self) -> serde_json::Value {
        let cache = &self.evm.ctx.journaled_state.database.cache;
        let account = |(address, account): (&Address, &revm::database::DbAccount)| {
            let info = &account.info;
            let code = info.code.as_ref().or_else(|| cache.contracts.get(&info.code_hash));
            let code = code.map_or_else(String::new, |code| alloy::hex::encode(code.original_byte_slice()));
            let word = |word: &U256| format!("0x{word:064x}");
            let storage: serde_json::Map<_, _> =
                account.storage.iter().map(|(slot, value)| (word(slot), word(value).into())).collect();
            let account = serde_json::json!({
                "balance": format!("{:#x}", info.balance), "nonce": format!("{:#x}", info.nonce),
                "code": format!("0x{code}"), "storage": storage,
            });
            (format!("{address:#x}"), account)
        };
        cache.accounts.iter().map(account).collect::<serde_json::Map<_, _>>().into()
    }

    /// Unix seconds of the blocks from here on.
    pub(crate) fn set_time(&mut self, timestamp: u64) {
        self.evm.ctx.block.timestamp = U256::from(timestamp);
    }

    pub(crate) fn set_storage(&mut self, address: Address, slot: U256, value: U256) {
        let store = &mut self.evm.ctx.journaled_state.database;
        store.insert_account_storage(address, slot, value).expect("the in-memory chain does not fail");
    }
}

fn transaction(kind: TxKind, data: Vec<u8>) -> TxEnv {
    TxEnv::builder()
        .caller(OWNER)
        .gas_limit(GAS_LIMIT)
        .kind(kind)
        .data(Bytes::from(data))
        .build()
        .expect("a plain call is a valid transaction")
}

fn decode<C: SolCall>(result: ExecutionResult) -> Result<Sent<C::Return>, Reverted> {
    match result {
        ExecutionResult::Success { logs, output, .. } => {
            let value = C::abi_decode_returns(output.data()).expect("the contract answers by its ABI");
            Ok(Sent { value, logs })
        }
        ExecutionResult::Revert { output, .. } => Err(Reverted(String::from_utf8_lossy(&output).into_owned())),
        ExecutionResult::Halt { reason: reason @ HaltReason::OutOfGas(_), .. } => panic!("{reason:?}"),
        // Solidity's older compilers divide by zero into an invalid opcode.
        ExecutionResult::Halt { reason, .. } => Err(Reverted(format!("{reason:?}"))),
    }
}
