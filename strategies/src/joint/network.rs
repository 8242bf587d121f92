//! Linear equations of a network of conductances, one of whose nodes is held at zero.
//!
//! Nodes are taken out one by one, and what they joined is joined anew (star-mesh transform). Everything that is added is of one sign, so
//! no digits are lost however far conductances lie apart: those of pools do by ten powers of ten and more.

/// Most others that a node may be joined to, to be taken out by itself.
const SPARSE_DEGREE: usize = 6;

/// A network, and what flows into each of its nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    nodes: Vec<Node>,
    /// Nodes that were taken out, in order.
    order: Vec<u32>,
    /// Nodes by how many others they are joined to, to be looked at again: what is no longer true is passed over.
    queues: Vec<Vec<u32>>,
    /// Nodes that are not taken out one by one, ascending, and what joins each to each, row by row.
    core: Vec<u32>,
    table: Vec<f64>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    inflow: f64,
    /// To what is held at zero.
    ground: f64,
    /// To others, some more than once, and to some that were taken out.
    joined: Vec<(u32, f64)>,
    /// How many of `joined` are to others that are still there.
    degree: usize,
    /// All of a node's conductances when it was taken out.
    whole: f64,
    is_out: bool,
}

impl Network {
    /// So many nodes, not joined.
    pub(super) fn reset(&mut self, count: usize) {
        for node in &mut self.nodes {
            node.joined.clear();
            *node = Node { joined: core::mem::take(&mut node.joined), ..Node::default() };
        }
        self.nodes.resize_with(count, Node::default);
        self.order.clear();
    }

    /// Adds to what joins two nodes.
    pub(super) fn join(&mut self, a: u32, b: u32, conductance: f64) {
        if a != b && conductance > 0.0 {
            for (from, to) in [(a, b), (b, a)] {
                let node = &mut self.nodes[from as usize];
                node.joined.push((to, conductance));
                node.degree += 1;
            }
        }
    }

    /// Adds to what joins a node to what is held at zero.
    pub(super) fn ground(&mut self, node: u32, conductance: f64) {
        self.nodes[node as usize].ground += conductance;
    }

    /// Adds to what flows into a node.
    pub(super) fn feed(&mut self, node: u32, inflow: f64) {
        self.nodes[node as usize].inflow += inflow;
    }

    /// The level of each node at which as much flows out of it as in. 0 for nodes that nothing joins to anything.
    pub(super) fn solve(&mut self, levels: &mut Vec<f64>) {
        self.queues.iter_mut().for_each(Vec::clear);
        for node in &mut self.nodes {
            merge(&mut node.joined);
            node.degree = node.joined.len();
        }
        (0..).take(self.nodes.len()).for_each(|node| self.queue(node));
        let mut degree = 0;
        while let Some(queue) = self.queues.get_mut(degree).filter(|_| degree <= SPARSE_DEGREE) {
            let Some(node) = queue.pop() else {
                degree += 1;
                continue;
            };
            let found = &self.nodes[node as usize];
            if !found.is_out && found.degree == degree {
                degree = self.take_out(node).min(degree);
            }
        }
        levels.clear();
        levels.resize(self.nodes.len(), 0.0);
        self.solve_core(levels);
        for at in self.order.iter().rev().map(|node| *node as usize) {
            let node = &self.nodes[at];
            let around: f64 =
                node.joined.iter().map(|(other, conductance)| conductance * levels[*other as usize]).sum();
            levels[at] = if node.whole > 0.0 { (node.inflow + around) / node.whole } else { 0.0 };
        }
    }

    /// What is left once nodes of few neighbours are out has so many each that a full table is the faster.
    fn solve_core(&mut self, levels: &mut [f64]) {
        let nodes = &self.nodes;
        self.core.clear();
        self.core.extend((0..).take(nodes.len()).filter(|node: &u32| !nodes[*node as usize].is_out));
        let count = self.core.len();
        self.table.clear();
        self.table.resize(count * count, 0.0);
        let (mut grounds, mut inflows) = (vec![0.0; count], vec![0.0; count]);
        for (row, at) in self.core.iter().enumerate() {
            let node = &nodes[*at as usize];
            (grounds[row], inflows[row]) = (node.ground, node.inflow);
            for (other, conductance) in &node.joined {
                if let Ok(column) = self.core.binary_search(other) {
                    self.table[row * count + column] += conductance;
                }
            }
        }
        let mut wholes = vec![0.0; count];
        for at in 0..count {
            let (before, after) = self.table.split_at_mut((at + 1) * count);
            let joined = &before[at * count..];
            let whole = grounds[at] + joined[at + 1..].iter().sum::<f64>();
            wholes[at] = whole;
            for (other, row) in (at + 1..count).zip(after.chunks_exact_mut(count)) {
                if joined[other] > 0.0 {
                    let share = joined[other] / whole;
                    inflows[other] += inflows[at] * share;
                    grounds[other] += grounds[at] * share;
                    // The node's own place is never read.
                    row[at + 1..].iter_mut().zip(&joined[at + 1..]).for_each(|(to, by)| *to += share * by);
                }
            }
        }
        for at in (0..count).rev() {
            let joined = &self.table[at * count..(at + 1) * count];
            let others = self.core[at + 1..].iter().zip(&joined[at + 1..]);
            let around: f64 = others.map(|(other, conductance)| conductance * levels[*other as usize]).sum();
            levels[self.core[at] as usize] = if wholes[at] > 0.0 { (inflows[at] + around) / wholes[at] } else { 0.0 };
        }
    }

    fn queue(&mut self, node: u32) {
        let degree = self.nodes[node as usize].degree;
        if self.queues.len() <= degree {
            self.queues.resize_with(degree + 1, Vec::new);
        }
        self.queues[degree].push(node);
    }

    /// Joins a node's neighbours to each other in its place. Gives the fewest that one of them is now joined to.
    fn take_out(&mut self, taken: u32) -> usize {
        let at = taken as usize;
        let mut joined = core::mem::take(&mut self.nodes[at].joined);
        joined.retain(|(other, _)| !self.nodes[*other as usize].is_out);
        // Not before duplicates were counted off where they lead to.
        for (other, _) in &joined {
            self.nodes[*other as usize].degree -= 1;
        }
        merge(&mut joined);
        let Node { inflow, ground, .. } = self.nodes[at];
        let whole = ground + joined.iter().map(|(_, conductance)| conductance).sum::<f64>();
        for (other, conductance) in &joined {
            let node = &mut self.nodes[*other as usize];
            let share = conductance / whole;
            node.inflow += inflow * share;
            node.ground += ground * share;
        }
        for (place, (one, of_one)) in joined.iter().enumerate() {
            for (two, of_two) in &joined[place + 1..] {
                self.join(*one, *two, of_one * (of_two / whole));
            }
        }
        let mut least = usize::MAX;
        for (other, _) in &joined {
            self.queue(*other);
            least = least.min(self.nodes[*other as usize].degree);
        }
        let node = &mut self.nodes[at];
        (node.joined, node.whole, node.is_out) = (joined, whole, true);
        self.order.push(taken);
        least
    }
}

/// Makes one of all that lead to the same node.
fn merge(joined: &mut Vec<(u32, f64)>) {
    joined.sort_unstable_by_key(|(node, _)| *node);
    joined.dedup_by(|later, first| {
        let is_same = later.0 == first.0;
        if is_same {
            first.1 += later.1;
        }
        is_same
    });
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// What flows out of each node less what flows in from outside: nothing, at the right levels.
    fn residuals(joined: &[(u32, u32, f64)], grounds: &[f64], inflows: &[f64], levels: &[f64]) -> Vec<f64> {
        let mut out: Vec<f64> = grounds.iter().zip(levels).zip(inflows).map(|((g, at), in_)| g * at - in_).collect();
        for (a, b, conductance) in joined {
            let [a, b] = [*a as usize, *b as usize];
            out[a] += conductance * (levels[a] - levels[b]);
            out[b] += conductance * (levels[b] - levels[a]);
        }
        out
    }

    #[test]
    fn as_much_flows_out_of_each_node_as_in() {
        let mut random = StdRng::seed_from_u64(7);
        let mut network = Network::default();
        for count in [1_u32, 2, 3, 8, 30, 200] {
            network.reset(count as usize);
            let (mut grounds, mut inflows, mut joined) = (Vec::new(), Vec::new(), Vec::new());
            for at in 0..count {
                grounds.push(random.random_range(0.01..0.1));
                inflows.push(random.random_range(-0.5..0.5));
                network.ground(at, grounds[at as usize]);
                network.feed(at, inflows[at as usize]);
                for _ in 0..2 {
                    let (other, conductance) = (random.random_range(0..count), 10_f64.powi(random.random_range(-4..4)));
                    if other != at {
                        network.join(at, other, conductance);
                        joined.push((at, other, conductance));
                    }
                }
            }
            let mut levels = Vec::new();
            network.solve(&mut levels);
            for residual in residuals(&joined, &grounds, &inflows, &levels) {
                assert!(residual.abs() <= 1e-9, "{count}: {residual}");
            }
        }
    }

    #[test]
    fn what_is_joined_to_nothing_stays_at_zero() {
        let mut network = Network::default();
        network.reset(3);
        network.feed(0, 1.0);
        network.ground(1, 1e-20);
        network.join(1, 2, 1e20);
        network.feed(2, 1.0);
        let mut levels = Vec::new();
        network.solve(&mut levels);
        assert!(levels[0].abs() < f64::MIN_POSITIVE);
        assert!((levels[1] / 1e20 - 1.0).abs() < 1e-12 && (levels[2] / 1e20 - 1.0).abs() < 1e-12, "{levels:?}");
    }
}
