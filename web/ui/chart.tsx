/** Line charts on a canvas. Each has a sentence that says what it shows, and its figures as a table. */

import { type ReactNode, useEffect, useId, useRef } from "react";
import "./browser-language";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import styles from "./chart.module.css";
import ui from "./ui.module.css";

export interface Series {
  label: string;
  values: readonly (number | null)[];
  color: "accent" | "ok" | "warn" | "danger" | "text-2";
  dashed?: boolean;
}

export interface ChartProps {
  title: string;
  /** What a reader learns from the chart, in one sentence. */
  sentence: ReactNode;
  /** Seconds since 1970 when `time`, else numbers. */
  x: readonly number[];
  time?: boolean;
  xLabel: string;
  formatX(x: number): string;
  formatY(y: number): string;
  /** The values count something: the axis has whole numbers only. */
  whole?: boolean;
  series: readonly Series[];
  /** A vertical line, such as the threshold in use. */
  mark?: number;
  height?: number;
}

export function Chart(props: ChartProps) {
  const { title, sentence, x, xLabel, formatX, formatY, series, height = 190 } = props;
  const frame = useRef<HTMLDivElement>(null);
  const id = useId();
  const empty = series.every((line) => line.values.every((value) => value === null));

  useEffect(() => {
    const element = frame.current;
    if (!element || empty) {
      return;
    }
    let plot = draw(element, props);
    const redraw = () => {
      plot.destroy();
      plot = draw(element, props);
    };
    const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", redraw);
    const themed = new MutationObserver(redraw);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      resize.disconnect();
      scheme.removeEventListener("change", redraw);
      themed.disconnect();
      plot.destroy();
    };
  });

  return (
    <figure className={styles.chart} aria-labelledby={`${id}-title`}>
      <figcaption>
        <h2 id={`${id}-title`}>{title}</h2>
        <p>{sentence}</p>
      </figcaption>
      {empty ? (
        <p className={styles.empty}>There is nothing to draw in this period.</p>
      ) : (
        <>
          {series.length > 1 && (
            <ul className={styles.legend}>
              {series.map((line) => (
                <li key={line.label}>
                  <i style={{ borderTop: `2px ${line.dashed ? "dashed" : "solid"} var(--${line.color})` }} />
                  {line.label}
                </li>
              ))}
            </ul>
          )}
          <div ref={frame} className={styles.canvas} style={{ height }} aria-hidden="true" />
        </>
      )}
      <details className={styles.table}>
        <summary>Figures</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard. */}
        <div className={styles.scroll} tabIndex={0} role="region" aria-label={`Figures of ${title}`}>
          <table className={ui.table}>
            <thead>
              <tr>
                <th scope="col">{xLabel}</th>
                {series.map((line) => (
                  <th key={line.label} scope="col" data-num="">
                    {line.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {x.map((value, index) => (
                <tr key={value}>
                  <td>{formatX(value)}</td>
                  {series.map((line) => {
                    const y = line.values[index];
                    return (
                      <td key={line.label} data-num="">
                        {y === null || y === undefined ? "–" : formatY(y)}
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

/** Return a token's colour as the browser computes it: the canvas knows no custom properties. */
function color(element: HTMLElement, token: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(--${token})`;
  element.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  return computed;
}

function isAlone(values: readonly (number | null)[], at: number): boolean {
  const has = (index: number) => values[index] !== null && values[index] !== undefined;
  return has(at) && !has(at - 1) && !has(at + 1);
}

const WHOLE_STEPS = [1, 2, 5]
  .flatMap((step) => Array.from({ length: 8 }, (_, power) => step * 10 ** power))
  .sort((a, b) => a - b);

function draw(
  element: HTMLElement,
  { x, time = false, formatX, formatY, whole = false, series, mark, height = 190 }: ChartProps,
): uPlot {
  const text = color(element, "text-2");
  const line = color(element, "line");
  const font = "11px system-ui, sans-serif";
  const axis = {
    stroke: text,
    font,
    grid: { stroke: line, width: 1 },
    ticks: { stroke: line, width: 1, size: 4 },
  };
  const markPlugin: uPlot.Plugin = {
    hooks: {
      draw(plot) {
        if (mark === undefined) {
          return;
        }
        const left = plot.valToPos(mark, "x", true);
        plot.ctx.save();
        plot.ctx.strokeStyle = color(element, "text");
        plot.ctx.lineWidth = 1.5 * devicePixelRatio;
        plot.ctx.beginPath();
        plot.ctx.moveTo(left, plot.bbox.top);
        plot.ctx.lineTo(left, plot.bbox.top + plot.bbox.height);
        plot.ctx.stroke();
        plot.ctx.restore();
      },
    },
  };
  return new uPlot(
    {
      width: element.clientWidth,
      height,
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      scales: {
        x: { time },
        y: { range: (_, low, high) => [Math.min(0, low), high <= 0 ? 1 : high * 1.08] },
      },
      axes: [
        { ...axis, ...(!time && { values: (_: uPlot, splits: number[]) => splits.map(formatX) }) },
        {
          ...axis,
          size: 58,
          values: (_: uPlot, splits: number[]) => splits.map(formatY),
          ...(whole && { incrs: WHOLE_STEPS }),
        },
      ],
      series: [
        {},
        ...series.map((one) => ({
          label: one.label,
          stroke: color(element, one.color),
          width: 2,
          // A value without neighbours has no line.
          ...(one.values.some((_, at) => isAlone(one.values, at)) && { points: { show: true, size: 6 } }),
          ...(one.dashed && { dash: [5, 4] }),
          ...(series.length === 1 && { fill: color(element, "accent-soft") }),
        })),
      ],
      plugins: [markPlugin],
    },
    [[...x], ...series.map((one) => [...one.values])] as uPlot.AlignedData,
    element,
  );
}
