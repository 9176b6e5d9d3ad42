// SPDX-License-Identifier: Apache-2.0
// A driver that says it is new and has nothing.
extern "C" int cuDriverGetVersion(int *version) {
  *version = 13000;
  return 0;
}
