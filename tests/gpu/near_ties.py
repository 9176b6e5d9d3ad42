# SPDX-License-Identifier: Apache-2.0
"""Where greedy answers may part: batches of other sizes, and other targets, add in other orders, so that the first
difference between two answers must be where the two most likely tokens are closer than rounding can tell."""
TIE = 0.25  # difference of two log-probabilities up to which a greedy choice may fall on either


def margins(answer):
    """How much likelier the chosen token was than the next, in nats, token by token; of `run --logprobs 2`."""
    return [token["top"][0]["logprob"] - token["top"][1]["logprob"] for token in answer["logprobs"]]
