//! The highest point of a function that rises and then falls, from its values alone.
//!
//! Brent's method (Algorithms for Minimization without Derivatives, 1973, chapter 5): the vertex of a parabola through the three best
//! points where that gets on, else a golden section.

/// Part of a position by which it may be off: what a concave function loses by it is about its square.
const TOLERANCE: f64 = 2e-6;
/// Values asked for, at most, before the peak lies between two points and after.
const TRIES: usize = 48;
/// The first step to either side, as a factor, and by how much the next one is longer.
const STRIDE: f64 = 2.0;
/// `1 - 1 / golden ratio`.
const GOLDEN: f64 = 0.381_966_011_250_105_1;

/// A position and the value there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: f64,
    pub(crate) value: f64,
}

/// The highest point found, and the nearest on either side that are not higher.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peak {
    pub(crate) left: Point,
    pub(crate) top: Point,
    pub(crate) right: Point,
}

impl Peak {
    /// What no point between the outer two exceeds, if the function is concave and each value up to `noise` too low: the lines through two of
    /// them bound what is beside them. Infinite where that is not known.
    pub(crate) fn bound(&self, noise: f64) -> f64 {
        let Self { left, top, right } = self;
        if left.value > top.value || right.value > top.value {
            return f64::INFINITY;
        }
        let beside = |near: &Point, far: &Point| {
            let slope = (top.value + noise - far.value) / (top.at - far.at).abs();
            top.value + noise + slope * (near.at - top.at).abs()
        };
        let bound = beside(left, right).max(beside(right, left));
        if bound.is_nan() { f64::INFINITY } else { bound }
    }
}

impl Peak {
    /// How much the slope falls by position, at the top: that of the parabola through the three points. None where they lie on no such one.
    pub(crate) fn bend(&self) -> Option<f64> {
        let Self { left, top, right } = self;
        let slope = |from: &Point, to: &Point| (to.value - from.value) / (to.at - from.at);
        let bend = 2.0 * (slope(left, top) - slope(top, right)) / (right.at - left.at);
        (bend > 0.0 && bend.is_finite()).then_some(bend)
    }
}

/// The peak of `value`, which is `None` where it has none, looked for from `start` on; positions are above zero. `None` where no value is.
pub(crate) fn peak(start: f64, mut value: impl FnMut(f64) -> Option<f64>) -> Option<Peak> {
    let mut ask = |at: f64| Point { at, value: value(at).unwrap_or(f64::NEG_INFINITY) };
    let mut top = ask(start);
    for _ in 0..TRIES {
        if top.value.is_finite() {
            break;
        }
        // More than can be taken, most likely.
        top = ask(top.at / (STRIDE * STRIDE));
    }
    if !top.value.is_finite() {
        return None;
    }
    let (left, right) = (ask(top.at / STRIDE), ask(top.at * STRIDE));
    let peak = enclose(Peak { left, top, right }, &mut ask);
    Some(narrow(peak, &mut ask))
}

/// Goes uphill until both sides are lower, with growing strides.
fn enclose(mut peak: Peak, ask: &mut impl FnMut(f64) -> Point) -> Peak {
    let mut stride = STRIDE;
    for _ in 0..TRIES {
        stride *= STRIDE;
        if peak.right.value > peak.top.value {
            let next = ask(peak.right.at * stride);
            peak = Peak { left: peak.top, top: peak.right, right: next };
        } else if peak.left.value > peak.top.value {
            let next = ask(peak.left.at / stride);
            peak = Peak { left: next, top: peak.left, right: peak.top };
        } else {
            break;
        }
    }
    peak
}

fn narrow(mut peak: Peak, ask: &mut impl FnMut(f64) -> Point) -> Peak {
    // The second and third best so far, and the last two steps.
    let (mut second, mut third) =
        if peak.left.value > peak.right.value { (peak.left, peak.right) } else { (peak.right, peak.left) };
    let (mut step, mut before) = (peak.right.at - peak.left.at, peak.right.at - peak.left.at);
    for _ in 0..TRIES {
        let (top, tolerance) = (peak.top, TOLERANCE * peak.top.at);
        let middle = f64::midpoint(peak.left.at, peak.right.at);
        if (top.at - middle).abs() + 0.5 * (peak.right.at - peak.left.at) <= 2.0 * tolerance {
            break;
        }
        let vertex = vertex(top, second, third).filter(|vertex| {
            let is_inside = *vertex > peak.left.at + tolerance && *vertex < peak.right.at - tolerance;
            is_inside && (vertex - top.at).abs() < 0.5 * before.abs()
        });
        before = step;
        step = match vertex {
            Some(vertex) => vertex - top.at,
            None => {
                before = if top.at < middle { peak.right.at - top.at } else { peak.left.at - top.at };
                GOLDEN * before
            }
        };
        if step.abs() < tolerance {
            step = tolerance.copysign(if step == 0.0 { middle - top.at } else { step });
        }
        let tried = ask(top.at + step);
        if tried.value > top.value {
            peak = if tried.at > top.at {
                Peak { left: top, top: tried, ..peak }
            } else {
                Peak { right: top, top: tried, ..peak }
            };
            (second, third) = (top, second);
        } else {
            peak = if tried.at > top.at { Peak { right: tried, ..peak } } else { Peak { left: tried, ..peak } };
            if tried.value > second.value {
                (second, third) = (tried, second);
            } else if tried.value > third.value {
                third = tried;
            }
        }
    }
    peak
}

/// Highest point of the parabola through three points; none where they lie on no such one.
fn vertex(a: Point, b: Point, c: Point) -> Option<f64> {
    let (to_b, to_c) = (a.at - b.at, a.at - c.at);
    let (of_c, of_b) = (to_b * (a.value - c.value), to_c * (a.value - b.value));
    let vertex = a.at - 0.5 * (to_b * of_c - to_c * of_b) / (of_c - of_b);
    vertex.is_finite().then_some(vertex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sqrt(x) - x / 1000` is highest at 250,000, at 250.
    #[test]
    fn peak_is_found_from_far_on_either_side() {
        for start in [1.0, 1e3, 2e5, 3e5, 1e9] {
            let mut asked = 0;
            let found = peak(start, |x| {
                asked += 1;
                (x < 5e9).then(|| x.sqrt() - x / 1_000.0)
            });
            let found = found.expect("values everywhere");
            assert!((found.top.at / 250_000.0 - 1.0).abs() < 1e-4, "from {start}: {found:?}");
            assert!(found.top.value <= 250.0 && found.bound(0.0) >= 250.0, "from {start}: {found:?}");
            assert!(found.bound(0.0) < 250.0 * (1.0 + 1e-8), "from {start}: {found:?}");
            assert!(asked < 64, "from {start}: {asked}");
        }
    }

    /// Rising until nothing more is taken.
    #[test]
    fn where_values_end_the_peak_is_the_last() {
        let found = peak(10.0, |x| (x <= 1_000.0).then_some(x)).expect("values to 1,000");
        assert!((999.0..=1_000.0).contains(&found.top.at), "{found:?}");
        assert_eq!(found.bound(0.0), f64::INFINITY, "how far it goes on rising is not known");
        assert_eq!(peak(10.0, |_| None), None);
    }
}
