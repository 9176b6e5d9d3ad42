// SPDX-License-Identifier: Apache-2.0
// Boost.JSON's definitions, compiled here and nowhere else; who uses it includes <boost/json.hpp> in a .cpp file.
#include <boost/json/src.hpp>
