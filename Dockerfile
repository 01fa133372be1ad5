# syntax=docker/dockerfile:1

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build

FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The ONNX runtime ships its libraries for every system, 290 MB in all: this one's stay. Nothing is embedded in a container.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && cd node_modules/onnxruntime-node/bin/napi-v* \
  && find . -mindepth 2 -maxdepth 2 -type d ! -path "./linux/$(node -p process.arch)" -exec rm -rf {} + \
  && rm -rf /app/node_modules/@jongodb

FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node /data
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8000 WORKER_PORT=9000 DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 8000 9000
ENTRYPOINT ["node", "dist/main.js"]
CMD ["api"]
