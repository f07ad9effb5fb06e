/* The inner loops of two claims in C, one thread: a step of tessellating hills (ms), and 60 generations of Hinton and Nowlan (ms). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint32_t state[4] = {1, 2, 3, 1};
static double uniform(void) {
  uint32_t t = state[0] + state[1] + state[3]++;
  state[0] = state[1] ^ (state[1] >> 9);
  state[1] = state[2] + (state[2] << 3);
  state[2] = ((state[2] << 21) | (state[2] >> 11)) + t;
  return t / 4294967296.0;
}
static int below(int n) { return (int)(uniform() * n); }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static double hills(int n, const double *k, const double *k0, const double *s, const double *c, double x0, const double *x, double *g) {
  double loss = 0, g0 = 0;
  memset(g, 0, sizeof(double) * (n + 1));
  for (int j = 0; j < n; j++) {
    double splotch = 0;
    for (int w = 5 * j; w < 5 * j + 5; w++) {
      const double *row = k + (size_t)w * n;
      double phi = k0[w] * x0;
      for (int i = 0; i < n; i++) phi += row[i] * x[i];
      double sine = sin(phi), cosine = cos(phi);
      splotch += s[w] * sine + c[w] * cosine;
      double slope = 0.0025 * x[j] * (s[w] * cosine - c[w] * sine);
      g0 += slope * k0[w];
      for (int i = 0; i < n; i++) g[i] += slope * row[i];
    }
    g[j] += 0.0025 * splotch;
    loss += x[j] * splotch;
  }
  g[n] = g0 - 1;
  return 0.0025 * loss - x0;
}

static double hinton_nowlan(void) {
  static uint8_t a[20000], b[20000];
  static double cumulative[1000];
  uint8_t *genes = a, *children = b;
  double sum = 0;
  for (int i = 0; i < 20000; i++) {
    double u = uniform();
    genes[i] = u < 0.25 ? 0 : u < 0.5 ? 1 : 2;
  }
  for (int generation = 0; generation <= 60; generation++) {
    sum = 0;
    for (int p = 0; p < 1000; p++) {
      int wrong = 0, open = 0;
      for (int i = 20 * p; i < 20 * p + 20; i++) {
        if (genes[i] == 0) wrong++;
        else if (genes[i] == 2) open++;
      }
      double fitness = 1;
      if (wrong == 0) {
        double at = open == 0 ? 0 : ceil(log(1 - uniform()) / log1p(-pow(2, -open)));
        if (at <= 1000) fitness = 1 + 19 * (1000 - at) / 1000;
      }
      cumulative[p] = sum += fitness;
    }
    for (int child = 0; child < 1000; child++) {
      int parents[2];
      for (int q = 0; q < 2; q++) {
        double u = uniform() * sum;
        int low = 0, high = 999;
        while (low < high) {
          int middle = (low + high) >> 1;
          if (cumulative[middle] > u) high = middle;
          else low = middle + 1;
        }
        parents[q] = low;
      }
      int cut = 1 + below(19);
      for (int i = 0; i < 20; i++) children[20 * child + i] = genes[20 * parents[i < cut ? 0 : 1] + i];
    }
    uint8_t *kept = genes;
    genes = children;
    children = kept;
  }
  return sum;
}

int main(int count, char **words) {
  int n = count > 1 ? atoi(words[1]) : 64;
  double sink = 0, started;
  if (n == 0) {
    started = now();
    for (int i = 0; i < 20; i++) sink += hinton_nowlan();
    printf("%.6f %g\n", (now() - started) / 20, sink);
    return 0;
  }
  double *k = malloc(sizeof(double) * 5 * n * n), *small = malloc(sizeof(double) * 20 * n), *x = malloc(sizeof(double) * n), *g = malloc(sizeof(double) * (n + 1));
  for (size_t i = 0; i < (size_t)5 * n * n; i++) k[i] = below(5) - 2;
  for (int i = 0; i < 20 * n; i++) small[i] = i < 5 * n ? below(5) - 2 : uniform();
  for (int i = 0; i < n; i++) x[i] = sin(i);
  int steps = 20000000 / (5 * n * n) + 1;
  started = now();
  for (int i = 0; i < steps; i++) sink += hills(n, k, small, small + 5 * n, small + 10 * n, i, x, g);
  printf("%.6f %g\n", (now() - started) / steps, sink);
  return 0;
}
