# vnet serve in a container: `docker build -t vnet . && docker run --rm -p 127.0.0.1:8080:8080 vnet`
FROM node:22-slim AS build
WORKDIR /src
COPY . .
RUN npm ci --ignore-scripts
RUN npm run build
RUN npm pack --ignore-scripts && mv vnet-segmentation-*.tgz vnet.tgz

FROM node:22-slim
WORKDIR /app
COPY --from=build /src/vnet.tgz .
RUN npm init -y && npm install --omit=dev --ignore-scripts ./vnet.tgz && rm vnet.tgz
ENV NODE_ENV=production
USER node
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD node -e "fetch('http://127.0.0.1:8080/v2/health/ready').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"
# All networks of the container, not of the host: that is for -p to say. A stop finishes what runs within 8 of Docker's 10 s.
ENTRYPOINT ["node", "node_modules/vnet-segmentation/bin/vnet.js", "serve", "--host", "0.0.0.0", "--grace", "8"]
