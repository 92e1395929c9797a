/** x P(x²) / Q(x²) for |x| up to `limit`, whose value, ±1 within 2e-7, serves beyond; coefficients from the constant one up. */
export interface OddRational {
  readonly limit: number;
  readonly numerator: readonly number[];
  readonly denominator: readonly number[];
}

// Minimax fits of the relative error (2e-8), which float32 arithmetic makes 4e-7. One division, no exp, no branch: cheaper
// than drivers' own tanh, which on SwiftShader moreover is not finite for large arguments.
export const tanhFit: OddRational = {
  limit: 8.6,
  numerator: [1, 0.1340687871, 0.003526404733, 2.112243419e-5, 1.408254491e-8],
  denominator: [1, 0.4674019814, 0.02599391155, 3.336275404e-4, 8.070667263e-7],
};
export const erfFit: OddRational = {
  limit: 3.9,
  // prettier-ignore
  numerator: [1.128379107, 0.189667806, 0.05266821757, 0.00373838935, 2.850633755e-4, 2.066468369e-6],
  // prettier-ignore
  denominator: [1, 0.5014215112, 0.1138193682, 0.01491436362, 0.001157387043, 3.827003093e-5],
};
