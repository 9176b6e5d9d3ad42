// SPDX-License-Identifier: Apache-2.0
// A ring of slots in shared memory between one thread that orders bulk copies and warps that consume them. Both ends
// keep their place in a small state of their own, so the ring outlives the work that goes through it: a kernel is one
// piece of work, a persistent kernel many.
#pragma once
#include "templates/cuda/ptx/barrier.cuh"
#include "templates/cuda/ptx/copy.cuh"
#include "templates/cuda/ptx/launch.cuh"

namespace sinter::cuda {

/// What both ends agree on. Barriers lie as full[Slots], empty[Slots], 8 bytes each.
template <int Slots, int SlotBytes>
struct Ring {
  u32 slots, barriers; ///< addresses in shared memory

  __device__ u32 slot(u32 i) const { return slots + i * SlotBytes; }
  __device__ u32 full(u32 i) const { return barriers + i * 8; }
  __device__ u32 empty(u32 i) const { return barriers + (Slots + i) * 8; }

  /// By one thread, before a barrierInitFence() and a barrier of the CTA.
  __device__ void init(u32 readers) const {
    for (int i = 0; i < Slots; ++i) {
      barrierInit(full(i), 1);
      barrierInit(empty(i), readers);
    }
  }
};

/// A place in the ring: slot and parity of its current round.
template <int Slots>
struct RingPlace {
  u32 slot = 0, parity = 0;
  __device__ __forceinline__ void advance() {
    if (++slot == Slots) {
      slot = 0;
      parity ^= 1;
    }
  }
};

/// The writing end. At most `Outstanding` copies are in flight: activations, flags and grid dependencies are small
/// requests that would queue behind a flood of weights, however deep the ring.
template <int Slots, int SlotBytes, int Outstanding>
struct RingWriter {
  static_assert(Outstanding <= Slots);
  Ring<Slots, SlotBytes> ring;
  RingPlace<Slots> next{0, 1}; ///< the parity of a slot that was never filled counts as emptied
  RingPlace<Slots> landed{};   ///< the copy that has to have landed before the next is ordered
  u32 inFlight = 0;

  __device__ __forceinline__ void push(const void *source, u32 bytes, u64 policy) {
    barrierWait(ring.empty(next.slot), next.parity);
    if (inFlight == Outstanding)
      awaitOldest();
    ++inFlight;
    barrierArriveExpect(ring.full(next.slot), bytes);
    if (bytes)
      bulkCopy(ring.slot(next.slot), source, bytes, ring.full(next.slot), policy);
    next.advance();
  }

  /// Waits for the first of the copies in flight, if there are any.
  __device__ __forceinline__ void awaitOldest() {
    if (inFlight == 0)
      return;
    barrierWait(ring.full(landed.slot), landed.parity);
    landed.advance();
    --inFlight;
  }
};

/// The reading end, one per warp.
template <int Slots, int SlotBytes>
struct RingReader {
  Ring<Slots, SlotBytes> ring;
  RingPlace<Slots> place{};

  /// The address of the next chunk, once it is there.
  __device__ __forceinline__ u32 wait() const {
    barrierWait(ring.full(place.slot), place.parity);
    return ring.slot(place.slot);
  }
  /// Gives the slot back. What was loaded from it has to have come: an arrival does not wait for loads under way, and
  /// the next copy would overtake them. So the barrier's address needs `loaded`, which is made of a word of every load
  /// from the slot. (A proxy fence orders them too, and costs 1.6 % of a step of 16 sequences.)
  __device__ __forceinline__ void release(u32 lane, u32 loaded) {
    barrierArriveWarp(ring.empty(place.slot) + (loaded & unknownZero()), lane);
    place.advance();
  }
};

} // namespace sinter::cuda
