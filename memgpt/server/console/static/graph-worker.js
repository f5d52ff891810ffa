// Lays a graph out, away from the page: it gets positions and links as numbers, and sends positions back as they settle.
importScripts("vendor/d3-dispatch.min.js", "vendor/d3-quadtree.min.js", "vendor/d3-timer.min.js", "vendor/d3-force.min.js");

const most = 120; // milliseconds between two answers
let current = 0;

function step(simulation, nodes, run, left) {
  if (run !== current) return;
  const until = performance.now() + most;
  while (left > 0 && performance.now() < until) {
    simulation.tick();
    left -= 1;
  }
  const positions = new Float32Array(2 * nodes.length);
  nodes.forEach((node, n) => positions.set([node.x, node.y], 2 * n));
  postMessage({ run, positions, done: left <= 0 }, [positions.buffer]);
  if (left > 0) setTimeout(step, 0, simulation, nodes, run, left);
}

onmessage = ({ data }) => {
  current = data.run;
  const nodes = Array.from({ length: data.positions.length / 2 }, (_, n) => ({ x: data.positions[2 * n], y: data.positions[2 * n + 1] }));
  const links = Array.from({ length: data.links.length / 2 }, (_, n) => ({ source: data.links[2 * n], target: data.links[2 * n + 1] }));
  const simulation = d3.forceSimulation(nodes).stop()
    .force("charge", d3.forceManyBody().strength(-70).theta(1.1).distanceMax(900))
    .force("link", d3.forceLink(links).distance(70))
    .force("x", d3.forceX().strength(0.03))
    .force("y", d3.forceY().strength(0.03))
    .alpha(data.alpha)
    .alphaDecay(1 - 0.001 ** (1 / data.ticks));
  step(simulation, nodes, data.run, data.ticks);
};
