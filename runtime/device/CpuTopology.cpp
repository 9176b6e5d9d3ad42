// SPDX-License-Identifier: Apache-2.0
// Reads the affinity mask, the topology under /sys, cgroup quotas and /proc/cpuinfo.
#include "runtime/device/CpuTopology.h"
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sched.h>
#include <set>
#include <sstream>
#include <thread>

namespace sinter::rt {
namespace {

std::string firstLine(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int coresOfAffinityMask() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0)
    return static_cast<int>(std::thread::hardware_concurrency());
  // The first line of thread_siblings_list is the same for the hardware threads of one core.
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &mask)) {
      std::string name = std::to_string(cpu);
      std::string siblings = firstLine("/sys/devices/system/cpu/cpu" + name + "/topology/thread_siblings_list");
      cores.insert(siblings.empty() ? name : siblings);
    }
  return static_cast<int>(cores.size());
}

/// CPUs' worth of time that the cgroups (v2) of this process allow, from its own up to the root.
double cgroupQuota() {
  std::ifstream file("/proc/self/cgroup");
  std::string group;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::"))
      group = line.substr(3);
  double quota = HUGE_VAL;
  for (;;) {
    std::istringstream limits(firstLine("/sys/fs/cgroup" + group + "/cpu.max"));
    double allowed = 0, period = 0;
    if (limits >> allowed >> period && allowed > 0 && period > 0)
      quota = std::min(quota, allowed / period);
    if (group.empty())
      return quota;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

} // namespace

int availableCores() {
  double cores = std::min<double>(coresOfAffinityMask(), std::ceil(cgroupQuota()));
  return std::max(1, static_cast<int>(cores));
}

std::string cpuFlags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("flags"))
      return line.substr(line.find(':') + 1);
  return {};
}

std::string missingFeatures(std::string_view required, std::string_view flags) {
  std::istringstream have{std::string(flags)}, want{std::string(required)};
  std::set<std::string> present;
  for (std::string flag; have >> flag;)
    present.insert(flag);
  std::string missing;
  for (std::string flag; want >> flag;)
    if (!present.count(flag))
      missing += (missing.empty() ? "" : ", ") + flag;
  return missing;
}

} // namespace sinter::rt
