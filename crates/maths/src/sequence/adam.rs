//! Steps of the optimiser: Adam (Kingma and Ba 2015) with decoupled decay of weights
//! (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019).

use super::rows::vectorised;

const FIRST_DECAY: f32 = 0.9;
/// As SASRec has it.
const SECOND_DECAY: f32 = 0.98;
const LEAST: f32 = 1e-8;

/// Means of the gradients of some weights, and of their squares.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

/// How far a step goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    rate: f32,
    /// What the root of the second moment is multiplied with.
    scale: f32,
}

impl Step {
    /// The step of this number, from 1, with the means corrected for where they began.
    pub(super) fn new(number: u64, learning_rate: f32) -> Self {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let first = 1.0 - f64::from(FIRST_DECAY).powi(number);
        let second = 1.0 - f64::from(SECOND_DECAY).powi(number);
        Self {
            rate: (f64::from(learning_rate) / first) as f32,
            scale: second.sqrt().recip() as f32,
        }
    }
}

impl Moments {
    pub(super) fn new(length: usize) -> Self {
        Self { first: vec![0.0; length], second: vec![0.0; length] }
    }

    /// Steps `weights`, which begin at `start` of all that this is for.
    pub(super) fn step(&mut self, start: usize, weights: &mut [f32], gradient: &[f32], step: Step) {
        let first = &mut self.first[start..start + weights.len()];
        let second = &mut self.second[start..start + weights.len()];
        vectorised(|| {
            let moments = first.iter_mut().zip(second);
            for ((weight, gradient), (first, second)) in
                weights.iter_mut().zip(gradient).zip(moments)
            {
                *first = FIRST_DECAY * *first + (1.0 - FIRST_DECAY) * gradient;
                *second = SECOND_DECAY * *second + (1.0 - SECOND_DECAY) * gradient * gradient;
                *weight -= step.rate * *first / (second.sqrt() * step.scale + LEAST);
            }
        });
    }
}

/// What decay leaves of weights.
pub(super) fn decay(weights: &mut [f32], share: f32) {
    vectorised(|| weights.iter_mut().for_each(|weight| *weight -= share * *weight));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_step_is_as_long_as_the_learning_rate_whatever_the_gradient() {
        let mut moments = Moments::new(4);
        let mut weights = [0.0f32, 0.0, 1.0];
        moments.step(1, &mut weights, &[1e-3, -40.0, 0.0], Step::new(1, 0.01));
        assert!((weights[0] + 0.01).abs() < 1e-5 && (weights[1] - 0.01).abs() < 1e-5);
        assert_eq!(weights[2], 1.0);
    }

    #[test]
    fn steps_reach_the_least_of_a_parabola() {
        let mut moments = Moments::new(1);
        let mut weight = [5.0f32];
        for number in 1..=2000 {
            let gradient = [2.0 * (weight[0] - 3.0)];
            moments.step(0, &mut weight, &gradient, Step::new(number, 0.01));
        }
        assert!((weight[0] - 3.0).abs() < 1e-2, "{weight:?}");
    }

    #[test]
    fn decay_takes_a_share() {
        let mut weights = [2.0f32, -4.0];
        decay(&mut weights, 0.25);
        assert_eq!(weights, [1.5, -3.0]);
    }
}
