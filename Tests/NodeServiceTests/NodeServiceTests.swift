// NodeService
