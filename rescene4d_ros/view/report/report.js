'use strict';
(() => {
  const element = document.getElementById('figure');
  const drawn = JSON.parse(document.getElementById('figure-data').textContent);
  const canDraw = !!document.createElement('canvas').getContext('webgl');
  // The camera stands so that a narrow figure shows all.
  if (canDraw && element.clientWidth > 1.4 * element.clientHeight) {
    const eye = drawn.layout.scene.camera.eye;
    for (const axis of 'xyz') eye[axis] *= 0.75;
  }
  const ready = canDraw
    ? Plotly.newPlot(element, drawn.data, drawn.layout,
      {responsive: true, displaylogo: false, modeBarButtonsToRemove: ['toImage', 'tableRotation']})
    : Promise.resolve();
  if (!canDraw) {
    element.hidden = true;
    document.getElementById('no-figure').hidden = false;
  }
  ready.then(() => document.body.dataset.ready = 'true');

  function show(moment) {
    const indices = [], visible = [];
    drawn.data.forEach((trace, k) => {
      if (trace.meta === 'now' || trace.meta === 'before') {
        indices.push(k);
        visible.push(moment === 'both' || trace.meta === moment);
      }
    });
    return Plotly.restyle(element, {visible}, indices);
  }
  document.querySelectorAll('input[name=moment]').forEach((input) => {
    input.addEventListener('change', () => show(input.value));
  });

  // Plotly measures the camera in units of the mean edge of the box around the axes.
  function choose(center) {
    const axes = ['xaxis', 'yaxis', 'zaxis'].map((name) => drawn.layout.scene[name].range);
    const edges = axes.map((range) => range[1] - range[0]);
    const unit = Math.cbrt(edges[0] * edges[1] * edges[2]);
    const at = center.map((value, k) => (value - (axes[k][0] + axes[k][1]) / 2) / unit);
    const away = 3.0 / unit;
    const chosen = drawn.data.findIndex((trace) => trace.meta === 'chosen');
    Plotly.restyle(element, {x: [[center[0]]], y: [[center[1]]], z: [[center[2]]]}, [chosen]);
    Plotly.relayout(element, {
      'scene.camera.center': {x: at[0], y: at[1], z: at[2]},
      'scene.camera.eye': {x: at[0] + 0.5 * away, y: at[1] - 0.6 * away, z: at[2] + 0.8 * away},
    });
    document.getElementById('view').scrollIntoView();
  }
  document.querySelectorAll('button.show').forEach((button) => {
    button.hidden = !canDraw;
    button.addEventListener('click', () => choose(button.dataset.center.split(' ').map(Number)));
  });

  const find = document.getElementById('find');
  const zone = document.getElementById('zone');  // none where the memory has no zones
  const rows = [...document.querySelectorAll('#objects tbody tr')];
  const isOutside = (row) => !!zone?.value && !JSON.parse(row.dataset.zones).includes(zone.value);
  function filter() {
    const words = find.value.toLowerCase().replace(/#/g, '').split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const number = row.cells[0].textContent.trim();
      const text = row.textContent.toLowerCase();
      const fits = words.every((w) => (/^\d+$/.test(w) ? number === w : text.includes(w)));
      row.hidden = !fits || isOutside(row);
      count += !row.hidden;
    }
    document.getElementById('found').textContent = words.length ? `${count} found` : '';
  }
  find.addEventListener('input', filter);
  zone?.addEventListener('change', () => {
    const changes = [...document.querySelectorAll('#changes tbody tr')];
    for (const row of [...changes, ...document.querySelectorAll('#unseen li')]) {
      row.hidden = isOutside(row);
    }
    filter();
    const count = (all) => all.filter((row) => !isOutside(row)).length;
    document.getElementById('in-zone').textContent = zone.value
      ? `${count(changes)} of ${changes.length} changes, ${count(rows)} of ${rows.length} objects`
      : '';
  });

  document.querySelectorAll('table.sortable').forEach((table) => {
    table.querySelectorAll('th').forEach((head, column) => {
      const button = head.querySelector('button');
      if (!button) return;
      button.addEventListener('click', () => {
        const sign = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
        table.querySelectorAll('th').forEach((other) => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
        const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent.trim();
        const body = table.tBodies[0];
        [...body.rows]
          .sort((a, b) => sign * key(a).localeCompare(key(b), undefined, {numeric: true}))
          .forEach((row) => body.append(row));
      });
    });
  });
})();
