use alloy::primitives::{LogData, keccak256};
use alloy::sol_types::{Panic, Revert, SolError};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn compiled_abi() -> Vec<Value> {
    let artifact: Value = serde_json::from_str(include_str!("../../../contracts/Executor.json")).expect("JSON");
    artifact["abi"].as_array().expect("a list").clone()
}

/// `name(type,...)` with tuples spelled out, as selectors are hashed from.
fn signature(item: &Value) -> String {
    format!("{}{}", item["name"].as_str().expect("named"), types(&item["inputs"]))
}

fn types(inputs: &Value) -> String {
    let list: Vec<String> = inputs.as_array().expect("a list").iter().map(type_of).collect();
    format!("({})", list.join(","))
}

fn type_of(input: &Value) -> String {
    let name = input["type"].as_str().expect("typed");
    name.strip_prefix("tuple")
        .map_or_else(|| name.to_owned(), |suffix| format!("{}{suffix}", types(&input["components"])))
}

fn compiled_hashes(kind: &str) -> Vec<B256> {
    let abi = compiled_abi();
    let mut hashes: Vec<B256> =
        abi.iter().filter(|item| item["type"] == kind).map(|item| keccak256(signature(item))).collect();
    hashes.sort();
    hashes
}

fn selectors(hashes: &[B256]) -> Vec<[u8; 4]> {
    hashes.iter().map(|hash| hash[..4].try_into().expect("four bytes")).collect()
}

#[test]
fn interface_is_the_compiled_contracts_own() {
    let mut calls = IExecutor::IExecutorCalls::SELECTORS.to_vec();
    calls.sort_unstable();
    assert_eq!(calls, selectors(&compiled_hashes("function")));
    let mut errors = IExecutor::IExecutorErrors::SELECTORS.to_vec();
    errors.sort_unstable();
    assert_eq!(errors, selectors(&compiled_hashes("error")));
    let mut events: Vec<B256> = IExecutor::IExecutorEvents::SELECTORS.iter().map(B256::from).collect();
    events.sort();
    assert_eq!(events, compiled_hashes("event"));
}

fn route(tokens: &[Address], venues: &[u16], fees: &[u32]) -> Vec<Leg> {
    (0..tokens.len())
        .map(|i| Leg { venue: venues[i], token_in: tokens[i], token_out: tokens[(i + 1) % tokens.len()], fee: fees[i] })
        .collect()
}

fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

fn two_legs() -> Vec<Leg> {
    route(&[address(1), address(2)], &[0, 1], &[0, 500])
}

prop_compose! {
    fn any_plan()(
        count in LEGS_MIN..=LEGS_MAX,
        seeds in prop::array::uniform4(any::<[u8; 19]>()),
        venues in prop::array::uniform4(any::<u16>()),
        fees in prop::array::uniform4(0_u32..1 << 24),
        window in any::<(u64, u64)>(),
        amount in any::<[u64; 4]>(),
        profit in any::<[u64; 4]>(),
    ) -> Plan {
        // The last byte keeps the tokens of a route distinct.
        let tokens: Vec<Address> = seeds.iter().zip(0_u8..).take(count)
            .map(|(seed, i)| Address::from_slice(&[&seed[..], &[i]].concat())).collect();
        let amount_in = U256::from_limbs(amount) >> 1;
        let (first, last) = (window.0.min(window.1), window.0.max(window.1));
        Plan::new(first, last, amount_in, U256::from_limbs(profit), &route(&tokens, &venues, &fees)).expect("valid")
    }
}

prop_compose! {
    fn any_swap()(
        tokens in any::<[[u8; 19]; 2]>(),
        venue in any::<u16>(),
        fee in 0_u32..1 << 24,
        amount in any::<[u64; 4]>(),
        is_on_credit in any::<bool>(),
    ) -> Swap {
        // The last byte keeps the tokens distinct.
        let [token_in, token_out] = [0, 1].map(|at| Address::from_slice(&[&tokens[at][..], &[u8::from(at == 1)]].concat()));
        Swap { leg: Leg { venue, token_in, token_out, fee }, amount_in: U256::from_limbs(amount) >> 1, is_on_credit }
    }
}

prop_compose! {
    fn any_swap_plan()(
        swaps in prop::collection::vec(any_swap(), LEGS_MIN..=SWAPS_MAX),
        window in any::<(u64, u64)>(),
        token in any::<[u8; 20]>(),
        profit in any::<[u64; 4]>(),
    ) -> SwapPlan {
        let window = (window.0.min(window.1), window.0.max(window.1));
        SwapPlan::new(window, token.into(), U256::from_limbs(profit), &swaps).expect("valid")
    }
}

proptest! {
    #[test]
    fn plan_is_encoded_as_the_abi_demands(plan in any_plan()) {
        let legs = plan.legs().iter().map(|leg| IExecutor::Leg {
            venue: leg.venue,
            tokenIn: leg.token_in,
            tokenOut: leg.token_out,
            fee: leg.fee.try_into().expect("24 bits"),
        }).collect();
        let (block_min, block_max) = plan.block_window();
        let generic = IExecutor::executeCall { plan: IExecutor::Plan {
            blockMin: block_min,
            blockMax: block_max,
            amountIn: plan.amount_in(),
            profitMin: plan.profit_min(),
            legs,
        } };
        prop_assert_eq!(encode_execute(&plan).to_vec(), generic.abi_encode());
    }

    #[test]
    fn plan_of_swaps_is_encoded_as_the_abi_demands(plan in any_swap_plan()) {
        let swaps = plan.swaps().iter().map(|swap| IExecutor::Swap {
            leg: IExecutor::Leg {
                venue: swap.leg.venue,
                tokenIn: swap.leg.token_in,
                tokenOut: swap.leg.token_out,
                fee: swap.leg.fee.try_into().expect("24 bits"),
            },
            amountIn: swap.amount_in,
            onCredit: swap.is_on_credit,
        }).collect();
        let (block_min, block_max) = plan.block_window();
        let generic = IExecutor::executeSwapsCall { plan: IExecutor::SwapPlan {
            blockMin: block_min,
            blockMax: block_max,
            token: plan.token(),
            profitMin: plan.profit_min(),
            swaps,
        } };
        prop_assert_eq!(encode_execute_swaps(&plan).to_vec(), generic.abi_encode());
    }

    #[test]
    fn any_revert_bytes_have_an_answer(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_revert(&data);
    }
}

#[test]
fn longest_plan_fits_the_stated_room() {
    let tokens = [address(1), address(2), address(3), address(4)];
    let plan = Plan::new(0, 0, U256::ZERO, U256::ZERO, &route(&tokens, &[0; 4], &[0; 4])).expect("valid");
    let mut calldata = Vec::with_capacity(740);
    let room = calldata.as_ptr();
    encode_execute_into(&plan, &mut calldata);
    assert_eq!((calldata.len(), calldata.as_ptr()), (740, room));
}

#[test]
fn plan_that_the_contract_would_refuse_is_not_made() {
    let max = U256::MAX >> 1;
    let make = |amount, first, last, legs: &[Leg]| Plan::new(first, last, amount, U256::ZERO, legs);
    assert!(make(max, 5, 5, &two_legs()).is_ok());
    assert_eq!(make(max + U256::from(1), 5, 5, &two_legs()), Err(PlanReject::AmountTooLarge));
    assert_eq!(make(max, 6, 5, &two_legs()), Err(PlanReject::EmptyWindow));
    assert_eq!(make(max, 5, 5, &two_legs()[..1]), Err(PlanReject::LegCount));
    let five: Vec<Address> = (1..=5).map(address).collect();
    assert_eq!(make(max, 5, 5, &route(&five, &[0; 5], &[0; 5])), Err(PlanReject::LegCount));

    let mut open = two_legs();
    open[1].token_out = address(3);
    assert_eq!(make(max, 5, 5, &open), Err(PlanReject::BrokenRoute(0)));
    let mut broken = two_legs();
    broken[1].token_in = address(3);
    assert_eq!(make(max, 5, 5, &broken), Err(PlanReject::BrokenRoute(1)));
    let mut idle = two_legs();
    idle[0].token_out = address(1);
    assert_eq!(make(max, 5, 5, &idle), Err(PlanReject::BrokenRoute(0)));
    let mut dear = two_legs();
    dear[1].fee = (1 << 24) - 1;
    assert!(make(max, 5, 5, &dear).is_ok());
    dear[1].fee += 1;
    assert_eq!(make(max, 5, 5, &dear), Err(PlanReject::FeeTooLarge(1)));
}

#[test]
fn plan_of_swaps_that_the_contract_would_refuse_is_not_made() {
    let max = U256::MAX >> 1;
    let swap = |amount_in| Swap { leg: two_legs()[0], amount_in, is_on_credit: true };
    let make = |window, swaps: &[Swap]| SwapPlan::new(window, address(1), U256::ZERO, swaps);
    assert!(make((5, 5), &[swap(max); SWAPS_MAX]).is_ok());
    assert_eq!(make((5, 5), &[swap(max); SWAPS_MAX + 1]), Err(PlanReject::SwapCount));
    assert_eq!(make((5, 5), &[swap(max)]), Err(PlanReject::SwapCount));
    assert_eq!(make((6, 5), &[swap(max); 2]), Err(PlanReject::EmptyWindow));
    assert_eq!(make((5, 5), &[swap(max), swap(max + U256::from(1))]), Err(PlanReject::AmountTooLarge));
    let mut idle = [swap(max); 2];
    idle[1].leg.token_out = idle[1].leg.token_in;
    assert_eq!(make((5, 5), &idle), Err(PlanReject::BrokenRoute(1)));
    let mut dear = [swap(max); 2];
    dear[0].leg.fee = 1 << 24;
    assert_eq!(make((5, 5), &dear), Err(PlanReject::FeeTooLarge(0)));
}

#[test]
fn event_of_another_contract_is_not_ours() {
    let executor = address(7);
    let event = IExecutor::Executed { token: address(1), amountIn: U256::from(10), gain: U256::from(3) };
    let mut log = Log { address: executor, data: event.encode_log_data() };
    let expected = Executed { token: address(1), amount_in: U256::from(10), gain: U256::from(3) };
    assert_eq!(decode_executed(executor, &log), Some(expected));
    log.address = address(8);
    assert_eq!(decode_executed(executor, &log), None);
    let empty = Log { address: executor, data: LogData::default() };
    assert_eq!(decode_executed(executor, &empty), None);
}

#[test]
fn each_kind_of_revert_is_read() {
    let pool = address(9);
    let partial = IExecutor::PartialFill { pool, consumed: U256::from(4) }.abi_encode();
    assert_eq!(decode_revert(&partial), ExecutorRevert::PartialFill { pool, consumed: U256::from(4) });
    let message = Revert::from("UniswapV2: K").abi_encode();
    assert_eq!(decode_revert(&message), ExecutorRevert::Message("UniswapV2: K".to_owned()));
    let panic = Panic::from(0x11_u64).abi_encode();
    assert_eq!(decode_revert(&panic), ExecutorRevert::Panic(U256::from(0x11)));
    assert_eq!(decode_revert(&[]), ExecutorRevert::Empty);
    assert_eq!(decode_revert(&[1, 2, 3]), ExecutorRevert::Unknown(Bytes::from_static(&[1, 2, 3])));
}

#[test]
fn deployment_code_ends_with_the_arguments() {
    let venue =
        Venue { factory: address(5), init_code_hash: B256::repeat_byte(6), kind: VenueKind::V2 { fee_ppm: 3000 } };
    let code = deployment_code(address(1), address(2), address(3), &[venue]);
    // Three addresses, the list's offset and length, four words of the venue.
    let arguments = &code[code.len() - 9 * WORD..];
    assert_eq!(&arguments[12..WORD], address(1).as_slice());
    assert_eq!(&arguments[5 * WORD + 12..6 * WORD], address(5).as_slice());
    assert_eq!(U256::from_be_slice(&arguments[8 * WORD..]), U256::from(3000));
    assert_eq!(code.len() - 9 * WORD, CREATION_CODE.len());
}
